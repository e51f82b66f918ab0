"""What was signed: consistent in itself, and compared with files name by name."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.errors import DocumentError
from modelreg.trust import oms_statement
from modelreg.trust.oms_statement import (
    NAME_LENGTH_MAX,
    Difference,
    Flaw,
    Resource,
    Serialization,
    Statement,
    differences,
    root_digest,
    statement_of,
)

Told = dict[str, Any]
BYTES = {"a": b"hello", "b/c": b"world", "b-c": b""}
FILES = [(path, hashlib.sha256(data).hexdigest()) for path, data in BYTES.items()]
GOOD: Told = json.loads(statement_of(FILES, name="demo").to_bytes())


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def changed(change: Callable[[Told], object]) -> bytes:
    document = copy.deepcopy(GOOD)
    change(document)
    return json.dumps(document).encode()


def test_a_statement_survives_its_bytes() -> None:
    """Claim: parse(s.to_bytes()) == s, with the keys of in-toto and of the specification."""
    statement = statement_of(FILES, name="demo")
    assert Statement.parse(statement.to_bytes()) == statement
    assert GOOD["_type"] == "https://in-toto.io/Statement/v1"
    assert GOOD["predicateType"] == "https://model_signing/signature/v1.0"
    assert GOOD["subject"] == [{"name": "demo", "digest": {"sha256": statement.root}}]
    assert GOOD["predicate"]["serialization"] == {
        "allow_symlinks": False,
        "hash_type": "sha256",
        "method": "files",
    }


def test_every_field_survives() -> None:
    """Claim: ignored paths and shard sizes, which only other tools write, are written again as they were."""
    shard = Resource("a:0:5", "sha256", sha(b"hello"))
    told = Serialization("shards", "sha256", allow_symlinks=True, ignore_paths=(".git",), shard_size=5)
    statement = Statement("x", root_digest([shard.digest]), (shard,), told)
    assert Statement.parse(statement.to_bytes()) == statement


def test_resources_stand_in_code_point_order() -> None:
    """Claim: as the specification says, which differs from the order of paths (`b-c` before `b/c`)."""
    assert [item["name"] for item in GOOD["predicate"]["resources"]] == ["a", "b-c", "b/c"]


def test_the_root_is_over_raw_digests_in_order() -> None:
    """Claim: the known root of `hello` and `world`."""
    assert (
        root_digest([sha(b"hello"), sha(b"world")])
        == "7305db9b2abccd706c256db3d97e5ff48d677cfe4d3a5904afb7da0e3950e1e2"
    )


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "0 resources"),
        ([("a", sha(b"")), ("a", sha(b""))], "'a' stands twice"),
        ([("a", "0" * 63)], "not 64 lowercase"),
        ([("a", "A" * 64)], "not 64 lowercase"),
        ([("e\u0301", sha(b""))], "composed form"),
        ([("", sha(b""))], "0 characters"),
        ([("x" * (NAME_LENGTH_MAX + 1), sha(b""))], "4,097 characters"),
    ],
    ids=["none", "twice", "short digest", "capitals", "decomposed", "no name", "endless name"],
)
def test_files_that_cannot_be_signed_are_refused(files: list[tuple[str, str]], words: str) -> None:
    """Claim: nothing is signed that would not be read back."""
    with pytest.raises(DocumentError, match=words):
        statement_of(files, name="x")


def test_a_long_name_is_taken() -> None:
    """Claim: the bound itself is read."""
    assert len(statement_of([("x" * NAME_LENGTH_MAX, sha(b""))], name="x").resources) == 1


def resource(document: Told, index: int = 0) -> Told:
    found: Told = document["predicate"]["resources"][index]
    return found


def serialization(document: Told) -> Told:
    found: Told = document["predicate"]["serialization"]
    return found


BAD: dict[str, tuple[Callable[[Told], object], str]] = {
    "another statement": (lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"), "of the type .*v0.1"),
    "another predicate": (lambda s: s.update(predicateType="https://slsa.dev/provenance/v1"), "slsa.dev"),
    "no subject": (lambda s: s.update(subject=[]), "0 subjects"),
    "two subjects": (lambda s: s.update(subject=s["subject"] * 2), "2 subjects"),
    "a subject without a name": (lambda s: s["subject"][0].update(name=""), "no name"),
    "another root": (lambda s: s["subject"][0]["digest"].update(sha256="0" * 64), "root digest is '000"),
    "no sha256 root": (lambda s: s["subject"][0].update(digest={"sha512": "0"}), "'sha256' is missing"),
    "no resources": (lambda s: s["predicate"].update(resources=[]), "0 resources"),
    "a resource twice": (lambda s: s["predicate"]["resources"].append(resource(s)), "stands twice"),
    "a resource in another order": (lambda s: s["predicate"]["resources"].reverse(), "root digest"),
    "a resource's digest": (lambda s: resource(s).update(digest="0" * 64), "root digest"),
    "a resource's digest in capitals": (
        lambda s: resource(s).update(digest=resource(s)["digest"].upper()),
        "lowercase",
    ),
    "blake2b files": (lambda s: serialization(s).update(hash_type="blake2b"), "hashed with 'blake2b'"),
    "blake3 files": (lambda s: serialization(s).update(hash_type="blake3"), "hashed with 'blake3'"),
    "a blake3 resource": (lambda s: resource(s).update(algorithm="blake3"), "hashed with 'blake3'"),
    "an unknown hash": (lambda s: serialization(s).update(hash_type="md5"), "hashed with 'md5'"),
    "an unknown method": (lambda s: serialization(s).update(method="digest"), "method is 'digest'"),
    "shards without a size": (
        lambda s: serialization(s).update(method="shards"),
        "does not go with the shard_size None",
    ),
    "files with a shard size": (lambda s: serialization(s).update(shard_size=5), "does not go with the shard_size 5"),
    "shards of nothing": (lambda s: serialization(s).update(method="shards", shard_size=0), "shard_size 0 is none"),
    "endless shards": (lambda s: serialization(s).update(method="shards", shard_size=2**50 + 1), "is none"),
    "symlinks as a text": (lambda s: serialization(s).update(allow_symlinks="false"), "allow_symlinks"),
    "no symlinks": (lambda s: serialization(s).pop("allow_symlinks"), "'allow_symlinks' is missing"),
}


@pytest.mark.parametrize("name", list(BAD))
def test_what_is_not_consistent_is_refused_by_what_is_wrong(name: str) -> None:
    """Claim: a good signature over a bad statement is worth nothing, and the reason is told."""
    change, words = BAD[name]
    with pytest.raises(DocumentError, match=words):
        Statement.parse(changed(change))


@pytest.mark.parametrize("name", ["blake2b", "blake3", "md5"])
def test_a_hash_that_the_tool_can_do_without_gets_a_hint(name: str) -> None:
    """Claim: for the two hashes of the specification the error says how to sign with SHA-256."""
    with pytest.raises(DocumentError) as caught:
        Statement.parse(changed(lambda s: resource(s).update(algorithm=name)))
    assert (caught.value.hint is not None) == (name != "md5")


@pytest.mark.parametrize(
    "change",
    [
        lambda s: resource(s).update(annotations={"a": [1]}, uri="x"),
        lambda s: s["predicate"].update(later={}),
        lambda s: s["subject"][0].update(name="any name"),
        lambda s: serialization(s).update(ignore_paths=[".git"]),
        lambda s: serialization(s).update(allow_symlinks=True),
    ],
    ids=["resource", "predicate", "subject", "ignored paths", "symlinks"],
)
def test_what_says_nothing_of_the_files_is_let_be(change: Callable[[Told], object]) -> None:
    """Claim: unknown keys of a resource MUST be ignored (5.2.1), and a subject's name may be any."""
    assert differences(Statement.parse(changed(change)), FILES) == ()


def test_each_difference_is_told_by_its_file() -> None:
    """Claim: a changed, a missing, an added and a renamed file are told, by path."""
    statement = statement_of(FILES, name="demo")
    assert differences(statement, FILES) == ()
    found = differences(statement, [("a", sha(b"hullo")), ("b-c", sha(b"")), ("c", sha(b"world")), ("z", sha(b""))])
    assert found == (
        Difference("a", Flaw.CHANGED),
        Difference("b/c", Flaw.MISSING),
        Difference("c", Flaw.UNSIGNED),
        Difference("z", Flaw.UNSIGNED),
    )


def test_two_files_that_change_places_are_noticed() -> None:
    """Claim: names count, though the root digest of such a tree can be made the same."""
    (first, one), (second, two), third = FILES
    found = differences(statement_of(FILES, name="x"), [(first, two), (second, one), third])
    assert found == (Difference(first, Flaw.CHANGED), Difference(second, Flaw.CHANGED))


def test_an_ignored_path_is_not_signed() -> None:
    """Claim: what the signer told to ignore is told as unsigned, where the public tool passes over it."""
    statement = Statement.parse(changed(lambda s: serialization(s).update(ignore_paths=[".git"])))
    planted = (".git/hooks/post-checkout", sha(b"#!/bin/sh"))
    assert differences(statement, [*FILES, planted]) == (Difference(planted[0], Flaw.UNSIGNED),)


def test_a_path_given_twice_is_refused() -> None:
    """Claim: two digests under one path are no files."""
    with pytest.raises(DocumentError, match="'a' was given twice"):
        differences(statement_of(FILES, name="x"), [*FILES, ("a", sha(b""))])


DOT = statement_of([(".", sha(b"hello"))], name="model.h5")


@pytest.mark.parametrize(
    ("files", "flaws"),
    [
        ([("model.h5", sha(b"hello"))], []),
        ([("other.h5", sha(b"hello"))], []),
        ([("model.h5", sha(b"hullo"))], ["changed"]),
        ([("a/model.h5", sha(b"hello"))], ["unsigned"]),
        ([("model.h5", sha(b"hello")), ("x", sha(b""))], ["missing", "unsigned", "unsigned"]),
        ([], ["missing"]),
    ],
    ids=["the file", "under another name", "changed", "in a folder", "with another", "nothing"],
)
def test_a_single_file_may_be_signed_without_its_name(files: list[tuple[str, str]], flaws: list[str]) -> None:
    """Claim: the public tool's `.` stands for the one file that there is, and for nothing else."""
    assert [difference.flaw for difference in differences(DOT, files)] == flaws


class Held:
    """The pieces of files in memory."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def size_bytes(self, path: str) -> int:
        return len(self.files[path])

    def sha256(self, path: str, start: int, end: int) -> str:
        return sha(self.files[path][start:end])


def shards(files: dict[str, bytes], size: int) -> Statement:
    resources = tuple(
        Resource(f"{path}:{start}:{min(start + size, len(data))}", "sha256", sha(data[start : start + size]))
        for path, data in files.items()
        for start in range(0, len(data), size)
    )
    told = Serialization("shards", "sha256", allow_symlinks=False, shard_size=size)
    return Statement("x", root_digest(item.digest for item in resources), resources, told)


def compared(statement: Statement, files: dict[str, bytes]) -> tuple[Difference, ...]:
    return differences(statement, [(path, sha(data)) for path, data in files.items()], pieces=Held(files))


@pytest.mark.parametrize("size", [1, 4, 5, 10, 11, 100, 2**50])
def test_shards_are_verified_where_they_are_met(size: int) -> None:
    """Claim: a file signed in pieces of any size is compared piece by piece, also one with colons in its name."""
    files = {"a:0:5": b"0123456789", "b": b"x", "line\nbreak": b"y"}
    statement = shards(files, size)
    assert compared(statement, files) == ()
    assert compared(statement, {**files, "b": b"y"}) == (Difference("b", Flaw.CHANGED),)
    assert compared(statement, {**files, "a:0:5": b"0123x56789"}) == (Difference("a:0:5", Flaw.CHANGED),)
    for longer in (b"0123456789x", b"012345678", b"01234567890123456789", b""):
        assert compared(statement, {**files, "a:0:5": longer}) == (Difference("a:0:5", Flaw.CHANGED),)


def test_shards_as_the_public_library_writes_them() -> None:
    """Claim: a size that protobuf made a fraction of, and a hash that names it; one of another size is none."""
    statement = shards({"a": b"0123456", "b": b"x"}, 3)
    told = json.loads(statement.to_bytes())
    told["predicate"]["serialization"]["shard_size"] = 3.0
    for item in told["predicate"]["resources"]:
        item["algorithm"] = "sha256-sharded-3"
    found = Statement.parse(json.dumps(told).encode())
    assert found.serialization == statement.serialization
    assert compared(found, {"a": b"0123456", "b": b"x"}) == ()
    assert found.paths == {"a", "b"}
    told["predicate"]["resources"][0]["algorithm"] = "sha256-sharded-4"
    with pytest.raises(DocumentError, match="hashed with 'sha256-sharded-4'"):
        Statement.parse(json.dumps(told).encode())
    told["predicate"]["serialization"].update(method="files", shard_size=None)
    with pytest.raises(DocumentError, match="hashed with 'sha256-sharded"):
        Statement.parse(json.dumps(told).encode())


def test_shards_tell_missing_and_added_files() -> None:
    """Claim: names are compared as with whole files; an empty file, which has no shard, is signed by nobody."""
    statement = shards({"a": b"0123", "b": b"4"}, 2)
    assert compared(statement, {"a": b"0123", "__init__.py": b""}) == (
        Difference("__init__.py", Flaw.UNSIGNED),
        Difference("b", Flaw.MISSING),
    )


def test_a_shard_left_out_is_noticed() -> None:
    """Claim: a statement over a part of a file's pieces does not cover the file."""
    whole = shards({"a": b"012345"}, 2)
    for kept in (whole.resources[:2], whole.resources[1:], (whole.resources[0], whole.resources[2])):
        part = Statement("x", root_digest(item.digest for item in kept), kept, whole.serialization)
        assert compared(part, {"a": b"012345"}) == (Difference("a", Flaw.CHANGED),)


def test_shards_need_the_bytes() -> None:
    """Claim: without the pieces, or with a name that is no shard's, nothing is said to be verified."""
    with pytest.raises(DocumentError, match="in shards of 2 bytes"):
        differences(shards({"a": b"012345"}, 2), [("a", sha(b"012345"))])
    told = Serialization("shards", "sha256", allow_symlinks=False, shard_size=2)
    for name in ("a", "a:0", "a:0:-1", ":0:2", "a:x:2", "a:0:12345678901234567", "a:0:\uff12"):
        statement = Statement("x", root_digest([sha(b"01")]), (Resource(name, "sha256", sha(b"01")),), told)
        with pytest.raises(DocumentError, match="is no shard"):
            compared(statement, {"a": b"01"})


def test_more_than_a_statement_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: the number of resources and of bytes are bounded."""
    monkeypatch.setattr(oms_statement, "RESOURCES_MAX", 3)
    assert len(statement_of(FILES, name="x").resources) == 3
    monkeypatch.setattr(oms_statement, "RESOURCES_MAX", 2)
    with pytest.raises(DocumentError, match="3 resources: 1 to 2"):
        statement_of(FILES, name="x")
    monkeypatch.setattr(oms_statement, "STATEMENT_SIZE_BYTES_MAX", 10)
    with pytest.raises(DocumentError, match="at most 10"):
        Statement.parse(json.dumps(GOOD).encode())


@given(st.binary(max_size=80))
def test_random_bytes_are_no_statement(data: bytes) -> None:
    """Claim: no byte string makes the parser raise anything but DocumentError."""
    with pytest.raises(DocumentError):
        Statement.parse(data)


@given(st.dictionaries(st.text(alphabet="abc/", min_size=1, max_size=3), st.sampled_from([b"1", b"2"]), min_size=1))
def test_any_files_survive_and_compare_equal(files: dict[str, bytes]) -> None:
    """Claim: whatever is signed is what compares equal, and any other set of files does not."""
    pairs = [(path, sha(data)) for path, data in files.items()]
    statement = Statement.parse(statement_of(pairs, name="x").to_bytes())
    assert differences(statement, reversed(pairs)) == ()
    assert differences(statement, pairs[1:]) != ()
