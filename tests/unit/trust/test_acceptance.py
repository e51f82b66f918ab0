"""Which trust store may follow which: the attacks of python-tuf's tests by their names, on our one document.

From ``tests/test_updater_key_rotations.py``, ``test_updater_top_level_update.py`` and ``test_trusted_metadata_set.py`` of
theupdateframework/python-tuf: what they do to a root, done to a trust store.  Longer than 400 lines, for every
attack has its test.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.trust.people import EARLIER, KEYS, LATER, NAMES, NOW, ids, role, signed, store

from modelreg.errors import (
    DocumentError,
    TrustError,
    TrustExpiredError,
    TrustGapError,
    TrustPinError,
    TrustRollbackError,
    TrustThresholdError,
    UsageError,
)
from modelreg.records import canonical_json
from modelreg.refs import VERSION_MAX
from modelreg.trust import acceptance
from modelreg.trust.acceptance import (
    CHAIN_MAX,
    Lacking,
    accept,
    accept_chain,
    accept_pinned,
    check_fresh,
    countersign,
    lacking,
    read_complete,
    read_envelope,
    sign_trust_store,
)
from modelreg.trust.dsse import Envelope, Signature, sign
from modelreg.trust.trust_store import PAYLOAD_TYPE, Enforcement, Roots, TrustStore

FIRST = store(version=1)
"""Trusted: its roots are ada, bob and cyd, two of whom must sign."""


class Step(NamedTuple):
    """A version's roots by number, how many must sign, who signs, and the error that is expected."""

    keys: list[int]
    threshold: int
    signers: list[int]
    error: type[TrustError] | None = None


ROTATIONS = {
    "1-of-1 key rotation": [Step([1], 1, [1]), Step([2], 1, [2, 1]), Step([2], 1, [2])],
    "1-of-1 key rotation, unused signatures": [
        Step([1], 1, [3, 1, 4]),
        Step([2], 1, [3, 2, 1, 4]),
        Step([2], 1, [3, 2, 4]),
    ],
    "1-of-1 key rotation fail, not signed with old key": [
        Step([1], 1, [1]),
        Step([2], 1, [2, 3, 4], TrustThresholdError),
    ],
    "1-of-1 key rotation fail, not signed with new key": [
        Step([1], 1, [1]),
        Step([2], 1, [1, 3, 4], TrustThresholdError),
    ],
    "3-of-5, sign with different keycombos": [
        Step([0, 1, 2, 3, 4], 3, [0, 2, 4]),
        Step([0, 1, 2, 3, 4], 3, [0, 4, 1]),
        Step([0, 1, 2, 3, 4], 3, [0, 1, 3]),
        Step([0, 1, 2, 3, 4], 3, [0, 1, 3]),
    ],
    "3-of-5, one key rotated": [Step([0, 1, 2, 3, 4], 3, [0, 2, 4]), Step([0, 1, 3, 4, 5], 3, [0, 4, 1])],
    "3-of-5, one key rotate fails, not signed with 3 new keys": [
        Step([0, 1, 2, 3, 4], 3, [0, 2, 4]),
        Step([0, 1, 3, 4, 5], 3, [0, 2, 4], TrustThresholdError),
    ],
    "3-of-5, one key rotate fails, not signed with 3 old keys": [
        Step([0, 1, 2, 3, 4], 3, [0, 2, 4]),
        Step([0, 1, 3, 4, 5], 3, [0, 4, 5], TrustThresholdError),
    ],
    "3-of-5, one key rotated, with intermediate step": [
        Step([0, 1, 2, 3, 4], 3, [0, 2, 4]),
        Step([0, 1, 3, 4, 5], 3, [0, 2, 4, 5]),
        Step([0, 1, 3, 4, 5], 3, [0, 4, 5]),
    ],
    "3-of-5, all keys rotated, with intermediate step": [
        Step([0, 1, 2, 3, 4], 3, [0, 2, 4]),
        Step([5, 6, 7, 8, 9], 3, [0, 2, 4, 5, 6, 7]),
        Step([5, 6, 7, 8, 9], 3, [5, 6, 7]),
    ],
    "1-of-3 threshold increase to 2-of-3": [Step([1, 2, 3], 1, [1]), Step([1, 2, 3], 2, [1, 2])],
    "1-of-3 threshold bump to 2-of-3 fails, new threshold not reached": [
        Step([1, 2, 3], 1, [1]),
        Step([1, 2, 3], 2, [2], TrustThresholdError),
    ],
    "2-of-3 threshold decrease to 1-of-3": [
        Step([1, 2, 3], 2, [1, 2]),
        Step([1, 2, 3], 1, [1, 2]),
        Step([1, 2, 3], 1, [1]),
    ],
    "2-of-3 threshold decr. to 1-of-3 fails, old threshold not reached": [
        Step([1, 2, 3], 2, [1, 2]),
        Step([1, 2, 3], 1, [1], TrustThresholdError),
    ],
    "1-of-2 threshold increase to 2-of-2": [Step([1], 1, [1]), Step([1, 2], 2, [1, 2])],
}


@pytest.mark.parametrize("steps", ROTATIONS.values(), ids=ROTATIONS)
def test_root_rotation(steps: list[Step]) -> None:
    """Claim: python-tuf's table of rotations has python-tuf's outcomes; it is also one chain of all its steps."""
    documents = [
        store(version=version, root=Roots(ids(*(NAMES[key] for key in step.keys)), step.threshold))
        for version, step in enumerate(steps, start=1)
    ]
    envelopes = [
        signed(document, *(NAMES[key] for key in step.signers)) for document, step in zip(documents, steps, strict=True)
    ]
    pin = documents[0].root.fingerprint
    current = accept_pinned(envelopes[0], pin, NOW)
    error = steps[-1].error
    for document, envelope in list(zip(documents, envelopes, strict=True))[1 : len(steps) - bool(error)]:
        current = accept(current, envelope, NOW)
        assert current == document
    if error is None:
        assert accept_chain(documents[0], envelopes[1:], NOW) == documents[-1]
    else:
        with pytest.raises(error):
            accept(current, envelopes[-1], NOW)


def test_first_time_refresh() -> None:
    """Claim: the next version, signed as it must be, is taken."""
    following = replace(FIRST, version=2, roles=(role("x", "dan"),))
    assert accept(FIRST, signed(following, "ada", "cyd"), NOW) == following


def test_trusted_root_expired() -> None:
    """Claim: a trusted document that has expired itself is followed by a fresh one, and is of no use without."""
    expired = replace(FIRST, expires_at=EARLIER)
    with pytest.raises(TrustExpiredError):
        check_fresh(expired, NOW)
    assert accept(expired, signed(replace(FIRST, version=2), "ada", "bob"), NOW).version == 2


def test_trusted_root_unsigned() -> None:
    """Claim: a first document that its own roots have not signed is refused, under the right pin too."""
    with pytest.raises(TrustThresholdError, match=r"2 of the 3 root keys of version 1 .* and 0 did$"):
        accept_pinned(signed(FIRST, "eve"), FIRST.root.fingerprint, NOW)
    with pytest.raises(TrustThresholdError, match=r"and 1 did: bob \([0-9a-f]{12}\)$"):
        accept_pinned(signed(FIRST, "bob", "eve"), FIRST.root.fingerprint, NOW)


def test_max_root_rotations() -> None:
    """Claim: one call follows so many documents and no more."""
    envelope = signed(FIRST, "ada", "bob")
    assert accept_chain(FIRST, [envelope] * 3, NOW) == FIRST
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(acceptance, "CHAIN_MAX", 3)
        assert accept_chain(FIRST, [envelope] * 3, NOW) == FIRST
        with pytest.raises(DocumentError, match="more than 3 trust stores"):
            accept_chain(FIRST, [envelope] * 4, NOW)
    assert CHAIN_MAX >= 100


def test_intermediate_root_incorrectly_signed() -> None:
    """Claim: an unsigned version between is noticed, though the last is signed well."""
    between, last = replace(FIRST, version=2), replace(FIRST, version=3)
    with pytest.raises(TrustThresholdError, match="of version 1 "):
        accept_chain(FIRST, [signed(between, "eve"), signed(last, "ada", "bob")], NOW)


def test_intermediate_root_expired() -> None:
    """Claim: a version between may have expired, the last may not (TUF 5.3.10)."""
    between, last = replace(FIRST, version=2, expires_at=EARLIER), replace(FIRST, version=3)
    chain = [signed(between, "ada", "bob"), signed(last, "ada", "bob")]
    assert accept_chain(FIRST, chain, NOW) == last
    with pytest.raises(TrustExpiredError):
        accept_chain(FIRST, chain[:1], NOW)


def test_final_root_incorrectly_signed() -> None:
    """Claim: too few of the trusted roots refuse, and are named."""
    with pytest.raises(TrustThresholdError, match="2 of the 3 root keys of version 1 must") as caught:
        accept(FIRST, signed(replace(FIRST, version=2), "ada", "eve"), NOW)
    assert "and 1 did: ada (" in caught.value.message
    assert caught.value.exit_status == 16


@pytest.mark.parametrize("version", [1, 4], ids=["lower", "much lower"])
def test_new_root_version_rollback(version: int) -> None:
    """Claim: an older document that was signed well is refused: it can hide a revocation."""
    trusted = replace(FIRST, version=5)
    with pytest.raises(TrustRollbackError, match=f"version {version} of the trust store is older than version 5"):
        accept(trusted, signed(replace(FIRST, version=version), "ada", "bob"), NOW)


def test_new_root_same_version() -> None:
    """Claim: another document under the trusted version is refused with both fingerprints; the same one is no change."""
    other = replace(FIRST, mode=Enforcement.OFF)
    with pytest.raises(TrustRollbackError, match=f"version 1: {other.fingerprint} instead of {FIRST.fingerprint}"):
        accept(FIRST, signed(other, "ada", "bob"), NOW)
    assert accept(FIRST, signed(FIRST, "bob", "cyd"), NOW) == FIRST


def test_new_root_nonconsecutive_version() -> None:
    """Claim: where the roots change the version is exactly the next, whatever the signatures (TUF 5.3.5)."""
    rotated = replace(FIRST, version=3, root=Roots(ids("ada", "bob", "dan"), 2))
    with pytest.raises(TrustGapError, match="version 2 is needed first"):
        accept(FIRST, signed(rotated, "ada", "bob", "dan"), NOW)
    assert accept(FIRST, signed(replace(rotated, version=2), "ada", "bob"), NOW).version == 2


@pytest.mark.parametrize("threshold", [1, 3])
def test_another_threshold_is_a_change_of_the_roots(threshold: int) -> None:
    """Claim: versions cannot be left out to reach another threshold either."""
    jumped = replace(FIRST, version=3, root=Roots(FIRST.root.keys, threshold))
    with pytest.raises(TrustGapError):
        accept(FIRST, signed(jumped, "ada", "bob", "cyd"), NOW)


def test_versions_with_the_same_roots_may_be_left_out() -> None:
    """Claim: as TUF's other metadata, a document may be any later version while the roots stay."""
    later = replace(FIRST, version=9, roles=(role("x", "dan"),))
    assert accept(FIRST, signed(later, "bob", "cyd"), NOW) == later


def test_final_root_expired() -> None:
    """Claim: a freeze: the newest document that is shown has expired, to the second."""
    for expires_at, refused in (("2026-11-28T06:59:59Z", True), (NOW, True), ("2026-11-28T07:00:01Z", False)):
        document = replace(FIRST, version=2, expires_at=expires_at)
        if not refused:
            assert accept(FIRST, signed(document, "ada", "bob"), NOW) == document
            continue
        with pytest.raises(TrustExpiredError, match=f"version 2 of the trust store expired at {expires_at}"):
            accept(FIRST, signed(document, "ada", "bob"), NOW)
        with pytest.raises(TrustExpiredError):
            accept_pinned(signed(document, "ada", "bob"), document.root.fingerprint, NOW)


def test_new_root_fast_forward_recovery() -> None:
    """Claim: a version pushed to its end by stolen roots blocks every update, and pinning new roots by hand recovers."""
    forward = accept(FIRST, signed(replace(FIRST, version=VERSION_MAX), "ada", "bob"), NOW)
    recovered = store(version=2, root=Roots(ids("cyd", "dan"), 2))
    envelope = signed(recovered, "ada", "bob", "cyd", "dan")
    with pytest.raises(TrustRollbackError):
        accept(forward, envelope, NOW)
    assert accept_pinned(envelope, recovered.root.fingerprint, NOW) == recovered


def test_root_with_invalid_json() -> None:
    """Claim: what is no envelope, no trust store, or of another type is a DocumentError first and later."""
    following = replace(FIRST, version=2)
    other_type = sign("application/vnd.in-toto+json", following.to_bytes(), [KEYS["ada"], KEYS["bob"]]).to_bytes()
    no_store = sign(PAYLOAD_TYPE, b"{}", [KEYS["ada"], KEYS["bob"]]).to_bytes()
    for data, message in (
        (b"", "not valid JSON"),
        (other_type, "holds 'application/vnd.in-toto"),
        (no_store, "is of type 'None'"),
    ):
        with pytest.raises(DocumentError, match=message):
            accept(FIRST, data, NOW)
        with pytest.raises(DocumentError, match=message):
            accept_pinned(data, FIRST.root.fingerprint, NOW)


def test_signatures_are_checked_before_the_document_is_parsed() -> None:
    """Claim: of bytes that the trusted roots have not signed nothing is read."""
    with pytest.raises(TrustThresholdError):
        accept(FIRST, sign(PAYLOAD_TYPE, b"{}", [KEYS["eve"]]).to_bytes(), NOW)


def test_update_root_new_root_fail_threshold_verification() -> None:
    """Claim: one root key counts once, however many of its signatures there are and under whatever ids."""
    following = replace(FIRST, version=2)
    (once,) = sign(PAYLOAD_TYPE, following.to_bytes(), [KEYS["ada"]]).signatures
    forged = tuple(Signature(key_id, once.sig) for key_id in (*ids("ada", "bob", "cyd"), ""))
    with pytest.raises(TrustThresholdError, match="and 1 did"):
        accept(FIRST, Envelope(PAYLOAD_TYPE, following.to_bytes(), forged).to_bytes(), NOW)


def test_a_changed_document_is_signed_by_nobody() -> None:
    """Claim: one byte of the payload changed, and no signature counts."""
    envelope = read_envelope(signed(replace(FIRST, version=2), "ada", "bob"))
    payload = envelope.payload.replace(b'"enforce"', b'"off"')
    assert payload != envelope.payload
    with pytest.raises(TrustThresholdError, match="and 0 did"):
        accept(FIRST, Envelope(PAYLOAD_TYPE, payload, envelope.signatures).to_bytes(), NOW)


def test_a_first_document_is_pinned_to_its_roots() -> None:
    """Claim: the pin is that of the roots, so that it lasts over versions; other roots are refused with both told."""
    for version in (1, 8):
        document = replace(FIRST, version=version)
        assert accept_pinned(signed(document, "ada", "bob"), FIRST.root.fingerprint, NOW) == document
    other = store(root=Roots(ids("eve"), 1))
    expected = f"{other.root.fingerprint}, '{FIRST.root.fingerprint}' was expected"
    with pytest.raises(TrustPinError, match=expected):
        accept_pinned(signed(other, "eve"), FIRST.root.fingerprint, NOW)
    with pytest.raises(TrustPinError):
        accept_pinned(signed(FIRST, "ada", "bob"), FIRST.fingerprint, NOW)
    with pytest.raises(TrustPinError):
        accept_pinned(signed(FIRST, "ada", "bob"), "", NOW)


def test_a_time_that_is_none_is_refused() -> None:
    """Claim: nothing is ever compared with a text that is not a time."""
    envelope = signed(FIRST, "ada", "bob")
    for now in ("", "0", "2026-11-28"):
        with pytest.raises(DocumentError, match="is not a time"):
            accept(FIRST, envelope, now)
        with pytest.raises(DocumentError, match="is not a time"):
            accept_pinned(envelope, FIRST.root.fingerprint, now)


def test_roots_can_sign_one_after_the_other() -> None:
    """Claim: countersigning adds to the envelope and changes nothing; a second time there is nothing to add."""
    following = replace(FIRST, version=2)
    once = signed(following, "ada")
    twice = countersign(once, [KEYS["ada"], KEYS["cyd"]])
    assert twice == signed(following, "ada", "cyd")
    assert accept(FIRST, twice, NOW) == following
    with pytest.raises(UsageError, match="has these signatures already"):
        countersign(twice, [KEYS["cyd"], KEYS["ada"]])
    with pytest.raises(DocumentError):
        countersign(sign(PAYLOAD_TYPE, b"{}", [KEYS["ada"]]).to_bytes(), [KEYS["bob"]])


def test_a_complete_document_is_one_that_its_own_roots_have_signed() -> None:
    """Claim: read_complete takes an expired document, and none that too few of its own roots have signed."""
    expired = replace(FIRST, expires_at=EARLIER)
    assert read_complete(signed(expired, "ada", "bob")) == expired
    with pytest.raises(TrustThresholdError, match="and 1 did: ada"):
        read_complete(signed(expired, "ada", "eve"))


def test_what_a_document_still_needs_is_told_of_both_roots() -> None:
    """Claim: the roots before and its own are asked where they differ, its own alone where they do not or it is the first."""
    same = replace(FIRST, version=2)
    mine = Lacking(2, 2, ids("ada"), tuple(sorted(ids("bob", "cyd"))))
    assert lacking(signed(same, "ada"), FIRST) == lacking(signed(same, "ada"), None) == (mine,)
    assert lacking(signed(same, "ada", "cyd"), FIRST) == ()
    rotated = replace(same, root=Roots(ids("dan", "eve"), 1))
    before, after = Lacking(1, 2, ids("ada"), mine.others), Lacking(2, 1, (), tuple(sorted(ids("dan", "eve"))))
    assert lacking(signed(rotated, "ada"), FIRST) == (before, after)
    assert lacking(signed(rotated, "ada"), None) == (after,)
    assert lacking(signed(rotated, "ada", "dan"), FIRST) == (before,)
    assert lacking(signed(rotated, "ada", "bob"), FIRST) == (after,)


def test_an_unknown_signature_is_kept_when_another_is_added() -> None:
    """Claim: signatures of formats that we do not know stay where they are."""
    foreign = Envelope(PAYLOAD_TYPE, FIRST.to_bytes(), (Signature("x", b"\0" * 99),)).to_bytes()
    added = read_envelope(countersign(foreign, [KEYS["ada"]]))
    assert [signature.key_id for signature in added.signatures] == ["x", ids("ada")[0]]


def test_an_endless_file_is_not_read() -> None:
    """Claim: the envelope is bounded by its own length before anything is parsed."""
    with pytest.raises(DocumentError, match="a trust store of 2,097,153 bytes is none: at most 2,097,152"):
        read_envelope(b" " * (2 * 1024 * 1024 + 1))
    with pytest.raises(DocumentError, match="not valid JSON"):
        read_envelope(b" " * (2 * 1024 * 1024))


DATA = signed(replace(FIRST, version=2), "ada", "bob")


@given(st.integers(0, len(DATA) - 1), st.integers(0, 3), st.binary(max_size=3))
def test_a_mutated_envelope_is_refused_or_says_the_same(at: int, cut: int, put: bytes) -> None:
    """Claim: whatever is done to the bytes, only what the roots signed is ever taken; all else is a typed error."""
    with contextlib.suppress(DocumentError, TrustError):
        assert accept(FIRST, DATA[:at] + put + DATA[at + cut :], NOW) == replace(FIRST, version=2)


@given(st.binary(max_size=80))
def test_random_bytes_only_raise(data: bytes) -> None:
    """Claim: nothing but DocumentError leaves the reader of envelopes."""
    with pytest.raises(DocumentError):
        read_envelope(data)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "*", "0" * 64, *ids("ada", "eve"), LATER]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["keys", "id", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(st.sampled_from(sorted(json.loads(FIRST.to_bytes()))), JSON)
def test_a_signed_document_with_anything_in_it_is_one_or_raises(key: str, value: Any) -> None:
    """Claim: also what the roots really signed is taken only if it is a document in its one form."""
    payload = canonical_json({**json.loads(replace(FIRST, version=2).to_bytes()), key: value})
    envelope = sign_trust_store_bytes(payload)
    with contextlib.suppress(DocumentError, TrustError):
        assert accept(FIRST, envelope, NOW).to_bytes() == payload


def sign_trust_store_bytes(payload: bytes) -> bytes:
    return sign(PAYLOAD_TYPE, payload, [KEYS["ada"], KEYS["bob"], KEYS["cyd"]]).to_bytes()


def test_the_envelope_is_that_of_the_document() -> None:
    """Claim: sign_trust_store signs exactly the document's bytes under its own payload type."""
    envelope = Envelope.parse(sign_trust_store(FIRST, [KEYS["ada"]]))
    assert (envelope.payload_type, envelope.payload) == (PAYLOAD_TYPE, FIRST.to_bytes())
    assert TrustStore.parse(envelope.payload) == FIRST
