"""What a trust store says instead of another: nothing of a document can change without a sentence that tells it."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from tests.unit.trust.people import EARLIER, IDS, KEYS, ids, role, store

from modelreg.trust.changes import changes, sentences
from modelreg.trust.roles import Revocation
from modelreg.trust.trust_store import Enforcement, Roots, TrustedKey, TrustedRegistry, Witnesses

VKEY = "log.example+0123abcd+AAAA"
BASE = store(roles=(role("fraud/**", "dan"),), revocations=(Revocation(IDS["eve"], "left", 7),))
OTHERWISE: dict[str, Any] = {
    "expires_at": EARLIER,
    "mode": Enforcement.OFF,
    "root": Roots(ids("ada", "bob", "cyd"), 3),
    "keys": tuple(TrustedKey.of(f"{name}2", key.public) for name, key in KEYS.items()),
    "roles": (role("fraud/**", "dan", from_index=1),),
    "revocations": (Revocation(IDS["eve"], "left", 6),),
    "registries": (TrustedRegistry("r", VKEY),),
    "witnesses": Witnesses((VKEY,), 1),
}


@pytest.mark.parametrize("field", OTHERWISE)
def test_no_field_changes_without_a_sentence(field: str) -> None:
    """Claim: every field but version and type is told, also where only a part of it is another."""
    assert {each.name for each in fields(BASE)} == {*OTHERWISE, "version", "type"}
    assert changes(BASE, replace(BASE, **{field: OTHERWISE[field]}))


def test_both_sides_are_told() -> None:
    """Claim: what is said no longer and what is said now stand beside each other, and nothing else does."""
    told = [str(change) for change in changes(BASE, replace(BASE, version=2, mode=Enforcement.WARN))]
    assert told == ["- mode enforce", "+ mode warn"]
    assert changes(BASE, replace(BASE, version=9)) == ()
    assert all(change.is_new for change in changes(None, BASE))


def test_windows_thresholds_and_logs_are_told() -> None:
    """Claim: a role's window and threshold, a registry's log and a quorum cannot change silently."""
    before = replace(BASE, registries=(TrustedRegistry("r"),), witnesses=Witnesses((VKEY,), 0))
    for after in (
        replace(before, registries=(TrustedRegistry("r", VKEY),)),
        replace(before, witnesses=Witnesses((VKEY,), 1)),
        replace(before, roles=(role("fraud/**", "dan", until_index=9),)),
        replace(before, revocations=(Revocation(IDS["eve"], "left", compromised=True),)),
    ):
        assert len(changes(before, after)) in (1, 2)


def test_a_document_says_this() -> None:
    """Claim: each part in its own words, and nothing of what is not there."""
    document = replace(
        BASE,
        roles=(role("*", "dan", until_index=9), role("*", "dan", from_index=9)),
        revocations=(Revocation("0" * 64, "left", 7), Revocation("1" * 64, "stolen", compromised=True)),
        registries=(TrustedRegistry("q"), TrustedRegistry("r", VKEY)),
        witnesses=Witnesses((VKEY,), 0),
    )
    dan = f"dan ({IDS['dan'][:12]})"
    assert list(sentences(document))[3 + len(KEYS) :] == [
        f"role *: 1 of {dan}, from log index 0 to 8",
        f"role *: 1 of {dan}, from log index 9 on",
        "key 000000000000 revoked from log index 7 on: left",
        "key 111111111111 compromised: stolen",
        "registry q",
        f"registry r with the log {VKEY}",
        f"witness {VKEY}",
    ]
