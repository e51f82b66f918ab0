"""Entries of the log: one canonical form, later kinds readable, hostile bytes refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.errors import DocumentError
from modelreg.trust.leaf import LEAF_SIZE_BYTES_MAX, SIGNERS_MAX, LeafKind, LogLeaf

DIGEST = "5cd252fb0ce8932436faf8ccd1040981b89ee4ad6b9fe9e2a2b7e71aacb27cd3"
SIGNERS = tuple(f"{number:064x}" for number in range(SIGNERS_MAX + 1))
LEAF = LogLeaf("manifest", DIGEST, SIGNERS[:2])
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)


def test_a_leaf_has_these_bytes() -> None:
    """Claim: what is hashed into trees never changes its form."""
    assert LogLeaf("pointer", DIGEST, (SIGNERS[1],)).to_bytes() == (
        f'{{"kind":"pointer","payloadSha256":"{DIGEST}","signerKeyIds":["{SIGNERS[1]}"]}}'.encode()
    )


@given(st.sampled_from([*LeafKind, "approval", "a" * 32]), DIGESTS, st.sets(DIGESTS, max_size=4))
def test_a_leaf_survives_its_bytes(kind: str, digest: str, signers: set[str]) -> None:
    """Claim: also one of a kind that only a later release knows."""
    leaf = LogLeaf(kind, digest, tuple(sorted(signers)))
    assert LogLeaf.parse(leaf.to_bytes()) == leaf


def test_the_most_signers_fit() -> None:
    """Claim: 64 within the bound of size, and no more."""
    full = LogLeaf("manifest", DIGEST, SIGNERS[:SIGNERS_MAX])
    assert LogLeaf.parse(full.to_bytes()) == full
    with pytest.raises(DocumentError, match=r"at most 64 signers"):
        LogLeaf("manifest", DIGEST, SIGNERS)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": ""},
        {"kind": "Manifest"},
        {"kind": "a" * 33},
        {"kind": "trust\n"},
        {"payload_sha256": DIGEST.upper()},
        {"payload_sha256": DIGEST[:63]},
        {"signer_key_ids": ("",)},
        {"signer_key_ids": (SIGNERS[1], SIGNERS[0])},
        {"signer_key_ids": (SIGNERS[1], SIGNERS[1])},
    ],
    ids=str,
)
def test_what_is_no_leaf_is_refused(changes: dict[str, Any]) -> None:
    """Claim: kinds are words, digests 64 hex digits, signers sorted and each once."""
    with pytest.raises(DocumentError):
        LogLeaf(**{"kind": "manifest", "payload_sha256": DIGEST, "signer_key_ids": (), **changes})


def test_another_form_of_a_leaf_is_refused() -> None:
    """Claim: two byte strings never mean one entry."""
    data = LEAF.to_bytes()
    for other in (data + b"\n", data.replace(b":", b": "), data.replace(b"manifest", b"m\\u0061nifest")):
        with pytest.raises(DocumentError, match=r"^the log entry is not in canonical form$"):
            LogLeaf.parse(other)


def test_a_leaf_of_a_later_release_may_say_more() -> None:
    """Claim: a key that is unknown is passed over; one that is missing is named."""
    assert LogLeaf.parse(LEAF.to_bytes()[:-1] + b',"zone":"eu"}') == LEAF
    with pytest.raises(DocumentError, match=r"the key 'payloadSha256' is missing"):
        LogLeaf.parse(b'{"kind":"trust","signerKeyIds":[]}')


def test_a_leaf_has_at_most_so_many_bytes() -> None:
    """Claim: 8 KiB, before anything is parsed."""
    with pytest.raises(DocumentError, match=r"at most 8,192 are read"):
        LogLeaf.parse(LEAF.to_bytes().ljust(LEAF_SIZE_BYTES_MAX + 1))


@given(st.binary(max_size=200) | st.integers(0, 10_000))
def test_random_bytes_are_leaves_or_a_document_error(change: bytes | int) -> None:
    """Claim: the parser raises nothing else: random bytes, and a real leaf with a bit flipped."""
    data = bytearray(LEAF.to_bytes())
    if isinstance(change, bytes):
        data = bytearray(change)
    else:
        data[change % len(data)] ^= 1 << change % 8
    try:
        LogLeaf.parse(bytes(data))
    except DocumentError:
        return
