"""Signing a version: its bundles are made, checked as any reader will check them, and kept as blobs beside its rows.

A signer makes two bundles where the key is ECDSA: a DSSE envelope over the manifest's exact bytes, which says which
version of which registry this is, and an OpenSSF Model Signing bundle over the files alone, which the public tool
verifies on a pulled folder.

Invariants: what is stored was parsed from its bytes again and verified with the signer's public key; a bundle's blob is
leased until the transaction that lists it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from modelreg.client.claim import Claim
from modelreg.client.results import Signed
from modelreg.db.leases import Leases
from modelreg.db.records import Index
from modelreg.db.transaction import Transaction
from modelreg.digest import sha256_hex
from modelreg.errors import DocumentError, SigningError
from modelreg.manifest import SIDE_FOLDER, BundleKind, IndexedBundle, IndexEntry, Manifest
from modelreg.store.base import Store
from modelreg.trust import dsse, oms
from modelreg.trust.oms_statement import Statement, differences, statement_of
from modelreg.trust.signer import Signer
from modelreg.trust.signers.certified import CertifiedSigner
from modelreg.verify import KeptBundle


@dataclass(frozen=True, slots=True)
class MadeBundle:
    """A bundle that was checked, and how an index lists it."""

    indexed: IndexedBundle
    data: bytes = field(repr=False)

    @classmethod
    def of(cls, data: bytes, kind: BundleKind, signer: Signer) -> MadeBundle:
        return cls(IndexedBundle(sha256_hex(data), kind.value, signer.public.id), data)


def make_bundles(manifest: Manifest, data: bytes, signer: Signer) -> tuple[MadeBundle, ...]:
    """The bundles of ``signer`` over the version whose manifest has the bytes ``data``.

    Raises ``SigningError`` where the signer cannot sign, or what it made does not verify.
    """
    made = [MadeBundle.of(_over_manifest(data, signer), BundleKind.MANIFEST, signer)]
    if signer.public.algorithm in oms.KINDS:
        made.append(MadeBundle.of(_over_files(manifest, signer), BundleKind.OMS, signer))
    return tuple(made)


def _over_manifest(data: bytes, signer: Signer) -> bytes:
    bundle = dsse.sign(dsse.IN_TOTO_TYPE, data, [signer]).to_bytes()
    envelope = dsse.Envelope.parse(bundle)
    if envelope.payload != data or not dsse.valid_signers(envelope, [signer.public]):
        raise _unfit("the manifest", signer)
    return bundle


def _over_files(manifest: Manifest, signer: Signer) -> bytes:
    files = [(entry.path, entry.sha256) for entry in manifest.files]
    statement = statement_of(files, name=manifest.model, ignore_paths=(SIDE_FOLDER,))
    chain = signer.chain if isinstance(signer, CertifiedSigner) else ()
    bundle = oms.sign(statement, signer, chain=chain).to_bytes()
    made = oms.Bundle.parse(bundle)
    found = made.verify_by_leaf() if chain else made.verify_with_keys([signer.public])
    if found.key != signer.public or differences(found.statement, files):
        raise _unfit("the files", signer)
    return bundle


def received_bundle(bundle: KeptBundle, manifest: Manifest, data: bytes) -> MadeBundle:
    """A bundle of elsewhere, if it is one over the version whose manifest has the bytes ``data``.

    Whose it is nobody asks here: that is for whoever pulls.  Raises ``DocumentError``.
    """
    if bundle.data is None or sha256_hex(bundle.data) != bundle.listed.sha256:
        raise DocumentError("it is missing, too long, or its bytes are not those of its digest")
    if bundle.listed.kind == BundleKind.OMS:
        payload = oms.Bundle.parse(bundle.data).envelope.payload
        files = [(entry.path, entry.sha256) for entry in manifest.files]
        if differences(Statement.parse(payload), files):
            raise DocumentError("it signs other files")
    elif dsse.Envelope.parse(bundle.data).payload != data:
        raise DocumentError("it signs something else than the version's manifest")
    return MadeBundle(bundle.listed, bundle.data)


def _unfit(what: str, signer: Signer) -> SigningError:
    return SigningError(f"the bundle made over {what} by the key {signer.public.id[:16]} does not verify")


def sign_version(
    entry: IndexEntry, made: Iterable[MadeBundle], store: Store, index: Index, leases: Leases, user: str
) -> Signed:
    """Keep the bundles ``made`` with the version of ``entry``: every one, or none."""
    made = tuple(made)
    listed = tuple(bundle.indexed for bundle in made)
    done = Signed(entry.model, entry.version, entry.digest, made[0].indexed.key_id or "", listed)

    def add(transaction: Transaction) -> Signed:
        transaction.add_bundles(entry.model, entry.digest, listed)
        transaction.log_manifest(entry.digest, (done.key_id,))
        return done

    def added(transaction: Transaction) -> Signed | None:
        return done if transaction.has_bundles(entry.digest, listed) else None

    with Claim(index, leases, store, user, "sign") as claimed:
        claimed.protect({bundle.sha256 for bundle in listed})
        for bundle in made:
            claimed.published(store.put(bundle.data, owner=claimed.owner))
        return claimed.commit(add, added)
