"""The manifest: invariants held however it is made, bytes that are its own, and hostile bytes that only raise."""

from __future__ import annotations

import contextlib
import json
import random
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.environment.document import Environment
from modelreg.errors import DocumentError
from modelreg.findings import Finding, Kind, Severity
from modelreg.manifest import (
    FILES_MAX,
    METADATA_BYTES_MAX,
    METADATA_ENTRIES_MAX,
    PATH_BYTES_MAX,
    FileEntry,
    IndexEntry,
    Manifest,
    check_metadata,
    check_path,
    manifest_digest,
    parse_manifest,
)

Make = Callable[..., Manifest]
EntryOf = Callable[[str, bytes], FileEntry]
TEXTS = st.text(max_size=20).map(lambda text: unicodedata.normalize("NFC", text))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x", "0" * 64, "2.0", "..", "a/b"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["path", "class", "x"]), inner),
    max_leaves=4,
)


@given(
    version=st.integers(1, 2**31 - 1),
    pushed_by=TEXTS,
    metadata=st.dictionaries(TEXTS.filter(bool), TEXTS, max_size=5),
    findings=st.lists(
        st.builds(Finding, TEXTS, st.sampled_from(Kind), st.sampled_from(Severity), TEXTS, st.none() | TEXTS),
        max_size=3,
    ).map(tuple),
    push=st.none() | st.builds(Environment, python=st.none() | TEXTS, distributions=st.dictionaries(TEXTS, TEXTS)),
)
def test_a_manifest_is_parsed_back_from_its_bytes(make_manifest: Make, **fields: Any) -> None:
    """Claim: parse_manifest(m.to_bytes()) == m, and writing it again gives the same bytes."""
    manifest = make_manifest(**fields)
    data = manifest.to_bytes()
    assert parse_manifest(data) == manifest
    assert parse_manifest(data).to_bytes() == data


def test_the_statement_is_in_toto_v1_with_the_files_as_subjects(make_manifest: Make, entry_of: EntryOf) -> None:
    """Claim: any reader of in-toto statements finds type, predicate type, and one subject per file with its SHA-256."""
    entries = (entry_of("a.txt", b"1"), entry_of("b/c.txt", b"2"))
    told = json.loads(make_manifest(files=entries).to_bytes())
    assert told["_type"] == "https://in-toto.io/Statement/v1"
    assert told["predicateType"] == "urn:modelreg:manifest:v1"
    assert told["subject"] == [{"name": entry.path, "digest": {"sha256": entry.sha256}} for entry in entries]


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "..",
        "/",
        "/etc/passwd",
        "../x",
        "a/../b",
        "a/./b",
        "a//b",
        "a/",
        "a\\b",
        "a\0b",
        "a\nb",
        "\x7f",
        ".modelreg/manifest.json",
        ".MODELREG/x",
        ".modelreg",
        "a" * (PATH_BYTES_MAX + 1),
        "\u00e9" * (PATH_BYTES_MAX // 2 + 1),
    ],
)
def test_a_path_that_could_leave_the_folder_is_refused(path: str) -> None:
    """Claim: absolute, climbing, ambiguous, control and reserved paths are each a DocumentError."""
    with pytest.raises(DocumentError):
        check_path(path)


@pytest.mark.parametrize(
    "path", ["a", "variables/variables.index", "...", "a b", "\u00e9.h5", "a/.modelreg", "-x", "~"]
)
def test_an_ordinary_path_is_taken(path: str) -> None:
    """Claim: what models are really called is taken, also names that only look odd."""
    check_path(path)


@pytest.mark.parametrize("path", ["\ud800", "a/\udcff.h5"])
def test_a_path_that_is_no_unicode_text_is_refused(path: str) -> None:
    """Claim: a file name that is not UTF-8 (a lone surrogate in Python) is refused where paths are checked."""
    with pytest.raises(DocumentError):
        check_path(path)


@pytest.mark.parametrize(
    "paths",
    [
        ("b", "a"),
        ("a", "a"),
        ("A.h5", "a.h5"),
        ("Stra\u00dfe", "Strasse"),
        ("e\u0301", "\u00e9"),
        ("a", "a/b"),
        ("A", "a/b"),
        (),
    ],
    ids=["unordered", "twice", "case", "sharp s", "normal forms", "file and folder", "file and folder by case", "none"],
)
def test_files_that_cannot_stand_side_by_side_are_refused(
    make_manifest: Make, entry_of: EntryOf, paths: tuple[str, ...]
) -> None:
    """Claim: an artifact that some file system cannot hold as it is cannot be described."""
    with pytest.raises(DocumentError):
        make_manifest(files=tuple(entry_of(path, b"x") for path in paths))


def test_a_path_is_written_as_it_is_or_not_at_all(make_manifest: Make, entry_of: EntryOf) -> None:
    """Claim: a path in decomposed Unicode either survives the bytes unchanged or cannot be put into a manifest.

    Were it normalised on the way, the index rows, made from the manifest before, would disagree with it for ever.
    """
    try:
        manifest = make_manifest(files=(entry_of("mode\u0300le.h5", b"x"),))
        parsed = parse_manifest(manifest.to_bytes())
    except DocumentError:
        return
    assert IndexEntry.of(parsed, "0" * 64) == IndexEntry.of(manifest, "0" * 64)


def test_a_pusher_s_name_in_decomposed_unicode_does_not_corrupt_the_index(make_manifest: Make) -> None:
    """Claim: the index row made from a manifest agrees with the manifest parsed from its bytes, for any user name."""
    manifest = make_manifest(pushed_by="Rene\u0301")
    parsed = parse_manifest(manifest.to_bytes())
    assert IndexEntry.of(parsed, "0" * 64) == IndexEntry.of(manifest, "0" * 64)


@pytest.mark.parametrize(
    ("version", "previous"),
    [(1, "0" * 64), (2, None), (2, ""), (2, "0" * 63), (2, "A" * 64), (0, None), (-1, None), (2**31, "0" * 64)],
)
def test_the_chain_of_versions_has_no_gap(make_manifest: Make, version: int, previous: str | None) -> None:
    """Claim: only version 1 has no predecessor, and a predecessor is a digest."""
    with pytest.raises(DocumentError):
        make_manifest(version=version, previous=previous)


@pytest.mark.parametrize(
    "created_at", ["", "2026-11-23", "2026-11-23T18:55:36+00:00", "2026-11-23T18:55:36Z\n", "2026-11-23T18:55:36.1Z"]
)
def test_a_time_is_utc_in_one_spelling(make_manifest: Make, created_at: str) -> None:
    """Claim: no second spelling of a time gets into a manifest."""
    with pytest.raises(DocumentError):
        make_manifest(created_at=created_at)


def test_metadata_is_bounded() -> None:
    """Claim: number and size of entries are bounded, and a key says something."""
    check_metadata({str(number): "" for number in range(METADATA_ENTRIES_MAX)})
    for metadata in (
        {str(number): "" for number in range(METADATA_ENTRIES_MAX + 1)},
        {"k": "x" * METADATA_BYTES_MAX},
        {"": "x"},
    ):
        with pytest.raises(DocumentError):
            check_metadata(metadata)


def test_the_number_of_files_is_bounded(make_manifest: Make, entry_of: EntryOf) -> None:
    """Claim: one file more than the bound is refused."""
    entry = entry_of("x", b"")
    many = tuple(
        FileEntry(f"{number:05}", 0, entry.sha256, entry.chunk_size_bytes, ()) for number in range(FILES_MAX + 1)
    )
    make_manifest(files=many[1:])
    with pytest.raises(DocumentError, match="10,001"):
        make_manifest(files=many)


def _edited(manifest: Manifest, edit: Callable[[dict[str, Any]], None]) -> bytes:
    value = json.loads(manifest.to_bytes())
    edit(value)
    return json.dumps(value).encode()


def _other_subject(value: dict[str, Any]) -> None:
    value["subject"][0]["digest"]["sha256"] = "0" * 64


def _no_subject(value: dict[str, Any]) -> None:
    value["subject"] = []


def _renamed_subject(value: dict[str, Any]) -> None:
    value["subject"][0]["name"] = "other.h5"


def _other_type(value: dict[str, Any]) -> None:
    value["predicateType"] = "urn:modelreg:manifest:v2"


def _other_statement(value: dict[str, Any]) -> None:
    value["_type"] = "https://in-toto.io/Statement/v0.1"


def _climbing_path(value: dict[str, Any]) -> None:
    value["subject"][0]["name"] = value["predicate"]["files"][0]["path"] = "../x"


def _impossible_name(value: dict[str, Any]) -> None:
    value["predicate"]["model"] = "../../etc"


def _fewer_chunks(value: dict[str, Any]) -> None:
    value["predicate"]["files"][0]["chunks"].pop()


@pytest.mark.parametrize(
    "edit",
    [
        _other_subject,
        _no_subject,
        _renamed_subject,
        _other_type,
        _other_statement,
        _climbing_path,
        _impossible_name,
        _fewer_chunks,
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(
    make_manifest: Make, edit: Callable[[dict[str, Any]], None]
) -> None:
    """Claim: each contradiction is a DocumentError, the one class that verification turns into a finding."""
    with pytest.raises(DocumentError):
        parse_manifest(_edited(make_manifest(), edit))


def test_a_later_format_says_to_upgrade(make_manifest: Make) -> None:
    """Claim: the error for a later format names both types and what to do."""
    with pytest.raises(DocumentError, match="manifest:v2") as caught:
        parse_manifest(_edited(make_manifest(), _other_type))
    assert caught.value.hint == "upgrade modelreg"


@given(st.integers(0, 2**32))
def test_mutated_bytes_are_a_manifest_or_a_document_error(make_manifest: Make, seed: int) -> None:
    """Claim: bytes changed, removed or doubled anywhere raise DocumentError or still parse, never anything else."""
    chance = random.Random(seed)
    data = bytearray(make_manifest().to_bytes())
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(data))
        data[place : place + chance.choice((0, 1, 1, 7))] = chance.choice((b"", chance.randbytes(1), b'"', b"}", b"9"))
    with contextlib.suppress(DocumentError):
        parse_manifest(bytes(data))


def _places(value: object, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(found for key, item in items for found in _places(item, (*place, key)))]


@given(st.data())
def test_any_node_replaced_is_a_manifest_or_a_document_error(make_manifest: Make, data: st.DataObject) -> None:
    """Claim: whatever JSON stands at whatever place of a manifest, only DocumentError is raised."""
    value = json.loads(make_manifest().to_bytes())
    place = data.draw(st.sampled_from(_places(value)[1:]))
    holder = value
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = data.draw(JSON)
    with contextlib.suppress(DocumentError):
        parse_manifest(json.dumps(value).encode())


def test_the_digest_is_that_of_the_exact_bytes(make_manifest: Make) -> None:
    """Claim: the same manifest with one space more is another version."""
    data = make_manifest().to_bytes()
    assert manifest_digest(data) != manifest_digest(data + b" ")
    assert parse_manifest(data + b" ") == parse_manifest(data)


def test_the_entry_of_a_file_is_found_by_its_path(make_manifest: Make) -> None:
    """Claim: file() gives the entry or KeyError, and size_bytes sums all files."""
    manifest = make_manifest()
    assert manifest.file("plain.h5").size_bytes == manifest.size_bytes == 16_384
    with pytest.raises(KeyError):
        manifest.file("other.h5")
