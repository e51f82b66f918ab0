"""Statements: invariants however they are made, bytes that are their own, and the link from each to the one before."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.trust.people import NOW

from modelreg.digest import sha256_hex
from modelreg.errors import DocumentError
from modelreg.manifest import PUSHED_BY_LENGTH_MAX
from modelreg.records import canonical_json
from modelreg.refs import VERSION_MAX
from modelreg.trust.statements import (
    REGISTRY_LENGTH_MAX,
    SEQUENCE_MAX,
    STATEMENT_SIZE_BYTES_MAX,
    Pointer,
    Recorded,
    Statement,
    Target,
    TrustEvent,
    Withdrawal,
    follows,
    parse_statement,
    statement_bytes,
)

A, B = "a" * 64, "b" * 64
POINTER = Pointer("r", "team/fraud", "production", Target(3, A), 1, None, "reviewed", "ada", NOW)
WITHDRAWAL = Withdrawal("r", "team/fraud", Target(2, B), 4, A, "leaks", "bob", NOW)
TRUST = TrustEvent("r", 7, A, B, 2, A, "eve left", "ada", NOW)
EXAMPLES: dict[str, Statement] = {"pointer": POINTER, "withdrawal": WITHDRAWAL, "trust": TRUST}
TEXTS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=12)
DIGESTS = st.sampled_from([A, B])
CHANGES = st.fixed_dictionaries(
    {
        "registry": st.sampled_from(["r", "2c1f4b0e-5f3a-4f6e-9a4e-0a7cf3a3f0aa"]),
        "sequence": st.integers(2, SEQUENCE_MAX),
        "previous": DIGESTS,
        "reason": TEXTS,
        "by": TEXTS,
    }
)


@given(st.sampled_from(list(EXAMPLES.values())), CHANGES)
def test_a_statement_is_parsed_back_from_its_bytes(example: Statement, changes: dict[str, Any]) -> None:
    """Claim: parse_statement(statement_bytes(s)) == s, and its bytes are the same again."""
    statement = replace(example, **changes)
    data = statement_bytes(statement)
    assert parse_statement(data) == statement
    assert statement_bytes(parse_statement(data)) == data
    assert Recorded.of(data) == Recorded(statement, sha256_hex(data))


@pytest.mark.parametrize(
    ("statement", "kind", "subject"),
    [
        (POINTER, "urn:modelreg:pointer:v1", {"name": "team/fraud:3", "digest": {"sha256": A}}),
        (WITHDRAWAL, "urn:modelreg:withdrawal:v1", {"name": "team/fraud:2", "digest": {"sha256": B}}),
        (TRUST, "urn:modelreg:trust:v1", {"name": "trust-store:7", "digest": {"sha256": A}}),
    ],
    ids=EXAMPLES,
)
def test_a_statement_is_in_toto_v1_about_what_it_names(
    statement: Statement, kind: str, subject: dict[str, object]
) -> None:
    """Claim: any reader of in-toto statements finds type, predicate type, and the subject with its digest."""
    told = json.loads(statement_bytes(statement))
    assert (told["_type"], told["predicateType"]) == ("https://in-toto.io/Statement/v1", kind)
    assert told["subject"] == [subject]
    assert set(told) == {"_type", "predicateType", "subject", "predicate"}


def test_a_chain_is_what_a_statement_is_about() -> None:
    """Claim: a chain per alias, per model, per registry; kinds never share one."""
    assert POINTER.chain == ("pointer", "r", "team/fraud", "production")
    assert WITHDRAWAL.chain == ("withdrawal", "r", "team/fraud")
    assert TRUST.chain == ("trust", "r")


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"registry": ""}, "'' is not the id of a registry"),
        ({"registry": "x" * (REGISTRY_LENGTH_MAX + 1)}, "is not the id of a registry"),
        ({"registry": "a\nb"}, "is not the id of a registry"),
        ({"registry": "\u00e9"}, "is not the id of a registry"),
        ({"sequence": 0}, "0 is not a sequence number"),
        ({"sequence": SEQUENCE_MAX + 1}, "9007199254740992 is not a sequence number"),
        ({"sequence": 1, "previous": A}, "statement 1 of a chain cannot follow 'aaaa"),
        ({"sequence": 2, "previous": None}, "statement 2 of a chain cannot follow None"),
        ({"sequence": 2, "previous": "A" * 64}, "statement 2 of a chain cannot follow 'AAAA"),
        ({"created_at": "2026"}, "'2026' is not a time"),
        ({"reason": " "}, "the statement gives ' ' as its reason"),
        ({"reason": "\x1b[1m"}, "as its reason"),
        ({"by": ""}, "'' cannot be who did it"),
        ({"by": "a\nb"}, "cannot be who did it"),
        ({"by": "x" * (PUSHED_BY_LENGTH_MAX + 1)}, "cannot be who did it"),
    ],
)
def test_a_statement_that_cannot_be_is_refused(example: Statement, changes: dict[str, Any], message: str) -> None:
    """Claim: what all statements have is checked in each kind."""
    with pytest.raises(DocumentError, match=message):
        replace(example, **changes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: replace(POINTER, model="Fraud"), "'Fraud' is not a model name"),
        (lambda: replace(POINTER, alias="7"), "'7' is not an alias"),
        (lambda: replace(WITHDRAWAL, model=""), "'' is not a model name"),
        (lambda: Target(0, A), "0 is not a version"),
        (lambda: Target(VERSION_MAX + 1, A), "2147483648 is not a version"),
        (lambda: Target(1, "a"), "'a' is not the digest of a manifest"),
        (lambda: replace(TRUST, version=0), "0 is not a version of a trust store"),
        (lambda: replace(TRUST, version=VERSION_MAX + 1), "2147483648 is not a version of a trust store"),
        (lambda: replace(TRUST, fingerprint="a"), "'a' is not the fingerprint"),
        (lambda: replace(TRUST, root_fingerprint="b"), "'b' is not the fingerprint"),
    ],
)
def test_what_one_kind_says_is_checked(make: Callable[[], object], message: str) -> None:
    """Claim: names, versions and digests by their grammar, as a DocumentError wherever they come from."""
    with pytest.raises(DocumentError, match=message):
        make()


def test_the_bounds_themselves_are_allowed() -> None:
    """Claim: the longest texts and the last numbers can be, and still fit a statement's bytes."""
    largest = replace(
        POINTER,
        registry="x" * REGISTRY_LENGTH_MAX,
        target=Target(VERSION_MAX, A),
        sequence=SEQUENCE_MAX,
        previous=A,
        by="x" * PUSHED_BY_LENGTH_MAX,
        reason="\U0001f44d" * 2000,
    )
    assert parse_statement(statement_bytes(largest)) == largest
    assert replace(TRUST, version=VERSION_MAX).version == VERSION_MAX


def test_texts_are_brought_into_one_form() -> None:
    """Claim: what is signed is in NFC, so that a statement equals what is parsed from its bytes."""
    made = replace(POINTER, by="e\u0301va", reason="cafe\u0301")
    assert (made.by, made.reason) == ("\u00e9va", "caf\u00e9")


def test_a_deleted_alias_is_told() -> None:
    """Claim: a deletion says what the alias pointed at until then."""
    gone = replace(POINTER, deleted=True)
    assert parse_statement(statement_bytes(gone)) == gone != POINTER


def recorded(statement: Statement) -> Recorded:
    return Recorded.of(statement_bytes(statement))


def test_a_statement_follows_the_one_that_it_names() -> None:
    """Claim: the same chain, the next number, the digest of the one before; each alone is not enough."""
    first = recorded(POINTER)
    second = replace(POINTER, sequence=2, previous=first.digest)
    assert follows(None, POINTER)
    assert follows(first, second)
    assert follows(recorded(second), replace(second, sequence=3, previous=recorded(second).digest))
    for wrong in (
        replace(second, sequence=3),
        replace(second, previous=A),
        replace(second, alias="staging"),
        replace(second, model="other"),
        replace(second, registry="s"),
        POINTER,
        replace(WITHDRAWAL, sequence=2, previous=first.digest),
    ):
        assert not follows(first, wrong)
    assert not follows(None, second)


@pytest.mark.parametrize("number", [2**31, 2**53 - 1])
def test_a_sequence_cannot_be_pushed_forward(number: int) -> None:
    """Claim: fast-forward: a high number follows on nothing but the number before it."""
    first = recorded(POINTER)
    assert not follows(first, replace(POINTER, sequence=number, previous=first.digest))


DATA = statement_bytes(POINTER)


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    """The bytes of ``POINTER`` with ``change`` done to its JSON."""
    value = json.loads(DATA)
    change(value)
    return canonical_json(value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the statement is not valid JSON"),
        (b"[]", "not an in-toto Statement v1"),
        (b"{}", "not an in-toto Statement v1"),
        (changed(lambda value: value.update(_type="https://in-toto.io/Statement/v0.1")), "not an in-toto Statement v1"),
        (changed(lambda value: value.update(predicateType="urn:modelreg:manifest:v1")), "'urn:modelreg:manifest:v1'"),
        (changed(lambda value: value.update(predicateType=["x"])), "this modelreg reads urn:modelreg:pointer:v1, urn"),
        (changed(lambda value: value.pop("predicateType")), "of type 'None'"),
        (changed(lambda value: value.pop("predicate")), "None stands where an object belongs"),
        (changed(lambda value: value.update(predicateType="urn:modelreg:trust:v1")), "the key 'version' is missing"),
        (changed(lambda value: value["predicate"].update(not_before=NOW)), "does not understand"),
        (changed(lambda value: value.update(more=1)), "does not understand"),
        (changed(lambda value: value["subject"][0].update(name="team/fraud:4")), "not in its one form"),
        (changed(lambda value: value["subject"][0]["digest"].update(sha256=B)), "not in its one form"),
        (changed(lambda value: value["subject"].append(value["subject"][0])), "not in its one form"),
        (changed(lambda value: value["predicate"]["target"].update(manifest=B)), "not in its one form"),
        (changed(lambda value: value["predicate"].pop("deleted")), "not in its one form"),
        (changed(lambda value: value["predicate"].update(sequence=True)), "True stands where an integer"),
        (DATA + b"\n", "not in its one form"),
        (b"{" + b" " * STATEMENT_SIZE_BYTES_MAX + b"}", "at most 65,536 are read"),
    ],
)
def test_bytes_that_are_not_a_statement_in_its_one_form_are_refused(data: bytes, message: str) -> None:
    """Claim: another type, a condition that nobody knows, a subject that is not what the predicate says."""
    with pytest.raises(DocumentError, match=message):
        parse_statement(data)


@pytest.mark.parametrize("change", [{"predicateType": "urn:modelreg:pointer:v2"}, {"more": 1}], ids=str)
def test_a_statement_of_a_later_modelreg_says_so(change: dict[str, object]) -> None:
    """Claim: it names what to do."""
    with pytest.raises(DocumentError) as caught:
        parse_statement(changed(lambda value: value.update(change)))
    assert caught.value.hint == "upgrade modelreg"


@given(st.binary(max_size=80))
def test_random_bytes_only_raise(data: bytes) -> None:
    """Claim: nothing but DocumentError leaves the parser."""
    with pytest.raises(DocumentError):
        parse_statement(data)


@given(st.sampled_from(list(EXAMPLES.values())), st.floats(0, 0.999), st.integers(0, 3), st.binary(max_size=3))
def test_a_mutated_statement_is_another_or_raises(example: Statement, place: float, cut: int, put: bytes) -> None:
    """Claim: bytes that parse are exactly the bytes of what they parse to."""
    data = statement_bytes(example)
    at = int(place * len(data))
    mutated = data[:at] + put + data[at + cut :]
    with contextlib.suppress(DocumentError):
        assert statement_bytes(parse_statement(mutated)) == mutated
