"""Signing versions: what is stored is what anybody can check, at a push or later, and a signer that fails leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.care import overwrite
from tests.unit.trust.people import KEYS

from modelreg import ConflictError, Pushed, RefusedError, Registry, SigningError
from modelreg.manifest import BundleKind, IndexEntry
from modelreg.records import DOCUMENT_SIZE_BYTES_MAX
from modelreg.trust import dsse, oms
from modelreg.trust.keys import Algorithm, PrivateKey, PublicKey
from modelreg.trust.oms_statement import differences

pytestmark = pytest.mark.slow

ADA, BOB = KEYS["ada"], KEYS["bob"]
ED25519 = PrivateKey.generate(Algorithm.ED25519)


class BrokenSigner:
    """A signer whose place of the key fails, or which answers with another's signature."""

    public = ADA.public

    def __init__(self, *, lies: bool) -> None:
        self._lies = lies

    def sign(self, data: bytes) -> bytes:
        if self._lies:
            return BOB.sign(data)
        raise SigningError("the token was pulled out")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.bin"
    path.write_bytes(b"some bytes")
    return path


def push(registry: Registry, model: Path, **more: object) -> Pushed:
    return registry.push(model, name="fraud", environment="none", **more)  # type: ignore[arg-type]


def bundle(registry: Registry, entry: IndexEntry, kind: BundleKind, key: PublicKey) -> bytes:
    """The bytes of the one bundle of that kind that says that it is by ``key``."""
    (found,) = (each for each in entry.bundles if (each.kind, each.key_id) == (kind, key.id))
    return registry.store.read(found.sha256, DOCUMENT_SIZE_BYTES_MAX)


def is_signed(registry: Registry, reference: str, key: PublicKey) -> bool:
    """Whether the bundle over the manifest holds its exact bytes, and verifies."""
    entry = registry.resolve(reference)
    envelope = dsse.Envelope.parse(bundle(registry, entry, BundleKind.MANIFEST, key))
    assert envelope.payload == registry.store.read(entry.digest, DOCUMENT_SIZE_BYTES_MAX)
    assert envelope.payload_type == dsse.IN_TOTO_TYPE
    return dsse.valid_signers(envelope, [key]) == {key.id}


def test_a_push_signs_the_manifest_and_the_files(registry: Registry, model: Path) -> None:
    """Claim: two bundles are listed with the version, over the exact manifest and over exactly its files."""
    pushed = push(registry, model, signer=ADA)
    entry = registry.resolve("fraud:1")
    assert (pushed.signed_by, len(entry.bundles)) == (ADA.public.id, 2)
    assert is_signed(registry, "fraud:1", ADA.public)
    signed = oms.Bundle.parse(bundle(registry, entry, BundleKind.OMS, ADA.public)).verify_with_keys([ADA.public])
    assert signed.statement.name == "fraud"
    assert differences(signed.statement, [(file.path, file.sha256) for file in entry.files]) == ()
    assert (registry.fsck(share=1.0).problems, registry.gc().blobs) == ((), ())


def test_a_key_that_oms_does_not_know_signs_the_manifest_alone(registry: Registry, model: Path) -> None:
    """Claim: an Ed25519 key makes one bundle, which verifies."""
    push(registry, model, signer=ED25519)
    assert [each.kind for each in registry.resolve("fraud").bundles] == ["manifest"]
    assert is_signed(registry, "fraud", ED25519.public)


@pytest.mark.parametrize("lies", [False, True], ids=["fails", "lies"])
def test_a_push_whose_signer_does_not_sign_leaves_nothing(registry: Registry, model: Path, lies: bool) -> None:
    """Claim: no version is listed, and what was stored is swept."""
    with pytest.raises(SigningError):
        push(registry, model, signer=BrokenSigner(lies=lies))
    assert registry.list() == ()
    registry.gc(even_if_empty=True)
    assert (list(registry.store.blobs()), list(registry.store.staged())) == ([], [])


def test_a_rehearsed_push_signs_nothing(registry: Registry, model: Path) -> None:
    """Claim: ``dry_run`` asks no signer."""
    assert push(registry, model, signer=BrokenSigner(lies=False), dry_run=True).signed_by is None


def test_versions_are_signed_later_by_several(registry: Registry, model: Path) -> None:
    """Claim: each signer adds his bundles to that version alone, the manifest stays, and twice is once."""
    push(registry, model)
    push(registry, model, signer=BOB)
    before = registry.resolve("fraud:1")
    done = [registry.sign("fraud:1", key) for key in (ADA, BOB, ADA)]
    after = registry.resolve("fraud:1")
    assert (before.bundles, before.digest) == ((), after.digest)
    assert [signed.key_id for signed in done] == [ADA.public.id, BOB.public.id, ADA.public.id]
    assert done[0] == done[2]
    assert set(after.bundles) == {*done[0].bundles, *done[1].bundles}
    assert all(is_signed(registry, "fraud:1", key.public) for key in (ADA, BOB))
    assert {each.key_id for each in registry.resolve("fraud:2").bundles} == {BOB.public.id}
    assert registry.fsck(share=1.0).problems == ()


def test_the_same_push_again_is_signed_too(registry: Registry, model: Path) -> None:
    """Claim: with ``once``, the version that was there gets the signature that was asked for."""
    push(registry, model, once=True)
    again = push(registry, model, once=True, signer=ADA)
    assert (again.already_there, again.signed_by) == (True, ADA.public.id)
    assert is_signed(registry, "fraud:1", ADA.public)


def test_a_manifest_that_is_not_what_was_pushed_is_not_signed(registry: Registry, model: Path) -> None:
    """Claim: nobody vouches for changed bytes by accident, at ``sign`` or at a push that is made again."""
    pushed = push(registry, model, once=True)
    assert pushed.digest is not None
    data = registry.store.read(pushed.digest, DOCUMENT_SIZE_BYTES_MAX)
    overwrite(registry, pushed.digest, data.replace(b'"version":1', b'"version":7'))
    with pytest.raises(RefusedError, match="was not signed"):
        registry.sign("fraud:1", ADA)
    assert not push(registry, model, once=True, signer=ADA).already_there
    assert registry.resolve("fraud:1").bundles == ()


def test_a_withdrawn_version_is_not_signed(registry: Registry, model: Path) -> None:
    """Claim: a signature is no way around a withdrawal."""
    push(registry, model)
    registry.withdraw("fraud:1", "leaked")
    with pytest.raises(ConflictError, match=r"was not signed: it was withdrawn on .*: leaked"):
        registry.sign("fraud:1", ADA)
    assert registry.resolve("fraud:1").bundles == ()
