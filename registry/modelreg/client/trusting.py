"""Who signed a version, and whether that is who had to: from its bundles and what is trusted to findings.

A bundle counts if it signs the manifest's exact bytes; what an index says of it decides nothing.  Where no trust store
is named, the user's own keys are trusted, so that what was signed on this machine is signed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from modelreg.client.anchor import Anchor, load_anchor
from modelreg.client.keyring import Keyring, StoredKey
from modelreg.client.logged import LogEvidence, proved
from modelreg.config import Settings
from modelreg.digest import is_sha256, sha256_hex
from modelreg.errors import DocumentError, SigningError, UntrustedError
from modelreg.findings import Finding, Severity
from modelreg.manifest import BundleKind, Manifest
from modelreg.rules import RULES
from modelreg.trust import dsse, oms
from modelreg.trust.checkpoint import SignedCheckpoint
from modelreg.trust.decision import STRANGERS_NAMED_MAX, Distrust, TrustDecision, decide
from modelreg.trust.keys import PublicKey
from modelreg.trust.note import VerifierKey
from modelreg.trust.oms_statement import differences
from modelreg.trust.proof import Logged
from modelreg.trust.trust_store import KEY_ID_SHOWN, Enforcement, TrustStore
from modelreg.verify import KeptBundle

SIGNATURES_MAX = 128
"""Of all bundles of one version, each of which is tried with every trusted key."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """The keys that are believed, with the trust store that says what for; ``problem`` is what is wrong with it."""

    keys: tuple[PublicKey, ...]
    anchor: Anchor | None = None
    problem: Finding | None = None

    @property
    def names_log(self) -> bool:
        """Whether a version must be proved to stand in a log."""
        store = self.anchor.store if self.anchor else None
        return store is not None and any(registry.log for registry in store.registries)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What ``Evidence`` is told of a version's signatures."""

    signed_by: tuple[str, ...] = ()
    doubts: tuple[Finding, ...] = ()
    unsigned: Severity | None = None


def trusted_by(settings: Settings) -> Trusted:
    """What the settings say is trusted: a trust store's keys, or those of the user's keyring."""
    anchor = load_anchor(settings)
    if anchor is not None:
        return Trusted(anchor.store.public_keys() if anchor.store else (), anchor, anchor.problem)
    try:
        found = [key for key in Keyring.open(settings).list() if isinstance(key, StoredKey)]
    except SigningError as error:
        problem = RULES["MR209"].found(error.message, fix=error.hint, severity=Severity.WARN)
        return Trusted((), None, problem)
    return Trusted(tuple(PublicKey.from_pem(key.public_pem.encode("ascii")) for key in found))


def assess(
    manifest: Manifest,
    data: bytes,
    bundles: Iterable[KeptBundle],
    trusted: Trusted,
    evidence: LogEvidence | None = None,
    known: SignedCheckpoint | None = None,
) -> Assessment:
    """Whether a version whose manifest has the bytes ``data`` is signed by whom it has to be.  Pure.

    ``evidence`` is what the registry shows of its place in the log, for a trust store that names logs; ``None`` where
    no registry was asked.  ``known`` is the newest checkpoint that this client has seen.
    """
    case = _Case(manifest, data, trusted)
    for bundle in bundles:
        case.take(bundle)
    anchor = trusted.anchor
    problems = (trusted.problem,) if trusted.problem else ()
    if anchor is None:
        return Assessment(tuple(sorted(case.signers)), (*problems, *case.flaws, *case.strangers()))
    if anchor.store is None:
        return Assessment((), (*problems, *case.flaws), Severity.REFUSE)
    places, unproved = _places(case, anchor.store, evidence, known)
    decision = _decided(case, anchor.store, places)
    doubts = [
        RULES[doubt.kind.rule].found(doubt.message, fix=doubt.fix, severity=doubt.severity)
        for doubt in decision.doubts
        if doubt.kind is not Distrust.MISSING  # which verify says of whatever is not signed
    ]
    unsigned = _UNSIGNED[anchor.store.mode]
    if not anchor.store.serves(manifest.registry):
        message = f"the trust store does not let {manifest.registry} be the registry that {case.name} comes from"
        return Assessment((), (*problems, RULES["MR205"].found(message, severity=unsigned), *case.flaws), unsigned)
    signed_by = decision.good if decision.trusted else ()
    return Assessment(signed_by, (*problems, *case.flaws, *unproved, *doubts), unsigned)


def _places(
    case: _Case, store: TrustStore, evidence: LogEvidence | None, known: SignedCheckpoint | None
) -> tuple[tuple[Logged, ...], tuple[Finding, ...]]:
    """Where the version is proved to stand in a log that the trust store names, and what is wrong with the proof."""
    named = [registry.log for registry in store.registries if registry.log]
    if not named or evidence is None:
        return (), ()
    try:
        found = proved(
            evidence,
            sha256_hex(case.data),
            map(VerifierKey.parse, named),
            witnesses=[VerifierKey.parse(key) for key in store.witnesses.keys],
            quorum=store.witnesses.quorum,
            known=known,
        )
    except DocumentError as error:
        grave = Severity.INFO if store.mode is Enforcement.OFF else Severity.REFUSE
        return (), (RULES["MR208"].found(f"{case.name}: {error.message}", severity=grave),)
    if found:
        return found, ()
    told = evidence.problem or "the registry shows no proof"
    message = f"{case.name} is not proved to be in the log that the trust store names: {told}"
    return (), (RULES["MR208"].found(message, fix=NOT_COVERED, severity=_UNSIGNED[store.mode]),)


def _decided(case: _Case, store: TrustStore, places: Iterable[Logged]) -> TrustDecision:
    """The decision at the first place in the registry's own log where enough of the signers had been logged.

    A signature counts from the entry on that names its key; where none of them is enough, the version counts as newer
    than everything in the log, with all its signatures.
    """
    model, logged = case.manifest.model, set[str]()
    for place in places:
        if place.head.checkpoint.origin != case.manifest.registry:
            continue  # another registry's log took it in, whose numbers mean nothing to the roles
        logged |= set(place.leaf.signer_key_ids)
        decision = decide(store, model, case.signers & logged, place.index, unverified=case.told)
        if decision.trusted:
            return decision
    return decide(store, model, case.signers, None, unverified=case.told)


NOT_COVERED = "have whoever keeps the log's key cover it: modelreg log checkpoint"
_UNSIGNED = {
    Enforcement.OFF: Severity.INFO,
    Enforcement.WARN: Severity.WARN,
    Enforcement.ENFORCE: Severity.REFUSE,
}


@dataclass(slots=True)
class _Case:
    """One version: ``signers`` are trusted keys that were verified, ``told`` the ids that other signatures give."""

    manifest: Manifest
    data: bytes
    trusted: Trusted
    signers: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)
    flaws: list[Finding] = field(default_factory=list)
    signatures: int = 0

    @property
    def name(self) -> str:
        return f"{self.manifest.model}:{self.manifest.version}"

    def take(self, bundle: KeptBundle) -> None:
        shown = bundle.listed.sha256[:KEY_ID_SHOWN]
        if bundle.data is None:
            message = f"the signature {shown} of {self.name} is missing, or longer than any can be"
            self.flaws.append(RULES["MR202"].found(message, fix="modelreg fsck", severity=Severity.WARN))
            return
        try:
            if sha256_hex(bundle.data) != bundle.listed.sha256:
                raise DocumentError("its bytes are not those of its digest")
            if bundle.listed.kind == BundleKind.OMS:
                self._take_files(oms.Bundle.parse(bundle.data))
            else:
                self._take_manifest(dsse.Envelope.parse(bundle.data))
        except (DocumentError, UntrustedError) as error:
            self.flaws.append(RULES["MR202"].found(f"the signature {shown} of {self.name}: {error.message}"))

    def _take_manifest(self, envelope: dsse.Envelope) -> None:
        if envelope.payload_type != dsse.IN_TOTO_TYPE or envelope.payload != self.data:
            raise DocumentError("it signs something else than the version's manifest")
        self._count(len(envelope.signatures))
        found = dsse.valid_signers(envelope, self.trusted.keys)
        self.signers |= found
        self.told |= {signature.key_id for signature in envelope.signatures} - found

    def _take_files(self, bundle: oms.Bundle) -> None:
        """A bundle over the files alone proves no name and no version, so that it makes nobody a signer."""
        self._count(1)
        try:
            signed = bundle.verify_with_keys(self.trusted.keys)
        except UntrustedError:
            if bundle.hint is not None and bundle.hint in {key.hint for key in self.trusted.keys}:
                raise
            return  # a stranger's, or one with certificates; the manifest's bundle tells who signed
        files = [(entry.path, entry.sha256) for entry in self.manifest.files]
        if found := differences(signed.statement, files):
            raise DocumentError(f"it signs other files: {found[0].path[:200]!r} is {found[0].flaw}")

    def _count(self, signatures: int) -> None:
        self.signatures += signatures
        if self.signatures > SIGNATURES_MAX:
            raise DocumentError(f"the version has more than the {SIGNATURES_MAX} signatures that are read")

    def strangers(self) -> Iterator[Finding]:
        """Where no trust store is: signatures that none of the user's keys made."""
        own: Collection[str] = {key.id for key in self.trusted.keys}
        for told in sorted(self.told - self.signers)[:STRANGERS_NAMED_MAX]:
            shown = told[:KEY_ID_SHOWN] if is_sha256(told) else repr(told[:40])
            if told in own:
                yield RULES["MR202"].found(f"a signature on {self.name} names your key {shown} and is not by it")
            else:
                severity = Severity.INFO if self.signers else None
                yield RULES["MR203"].found(
                    f"{self.name} is signed by the key {shown}, which is none of yours, and no trust store is named",
                    severity=severity,
                )
