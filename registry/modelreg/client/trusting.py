"""Who signed a version, and whether that is who had to: from its bundles and what is trusted to findings.

A bundle counts if it signs the manifest's exact bytes; what an index says of it decides nothing.  Where no trust store
is named, the user's own keys are trusted, so that what was signed on this machine is signed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from modelreg.client.anchor import Anchor, load_anchor
from modelreg.client.keyring import Keyring, StoredKey
from modelreg.client.logged import LogEvidence, proved, read_evidence
from modelreg.client.memory import look
from modelreg.config import Settings
from modelreg.db.records import Index
from modelreg.digest import is_sha256, sha256_hex
from modelreg.errors import DocumentError, SigningError, UntrustedError
from modelreg.findings import Finding, Severity
from modelreg.manifest import BundleKind, Manifest
from modelreg.rules import RULES
from modelreg.trust import dsse, oms
from modelreg.trust.certificates import Certificate
from modelreg.trust.checkpoint import SignedCheckpoint, open_checkpoint
from modelreg.trust.decision import STRANGERS_NAMED_MAX, Distrust, TrustDecision, decide
from modelreg.trust.keys import PublicKey
from modelreg.trust.lock import Lock
from modelreg.trust.note import VerifierKey
from modelreg.trust.oms_statement import Statement, differences
from modelreg.trust.proof import Logged
from modelreg.trust.signers.certified import read_certificates
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
    roots: tuple[Certificate, ...] = ()
    at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    """When certificates must be valid that lead to one of ``roots``."""

    @property
    def log_keys(self) -> tuple[VerifierKey, ...]:
        """The keys of the logs that the trust store names: then a version must be proved to stand in one."""
        store = self.anchor.store if self.anchor else None
        return tuple(VerifierKey.parse(one.log) for one in (store.registries if store else ()) if one.log)

    @property
    def is_off(self) -> bool:
        """Whether the trust store only tells."""
        store = self.anchor.store if self.anchor else None
        return store is not None and store.mode is Enforcement.OFF


@dataclass(frozen=True, slots=True)
class Assessment:
    """What ``Evidence`` is told of a version's signatures."""

    signed_by: tuple[str, ...] = ()
    doubts: tuple[Finding, ...] = ()
    unsigned: Severity | None = None
    log_index: int | None = None


@dataclass(frozen=True, slots=True)
class History:
    """What a registry shows of its log and of a version in it, and what of that contradicts what was seen before.

    ``evidence`` is there for a trust store that names logs; ``known`` is the checkpoint that the log was found to have.
    """

    problems: tuple[Finding, ...] = ()
    evidence: LogEvidence | None = None
    known: SignedCheckpoint | None = None


def trusted_by(settings: Settings) -> Trusted:
    """What the settings say is trusted: a trust store's keys, or the user's own and those that a root vouches for.

    Raises ``ModelregError`` where the roots cannot be read.
    """
    anchor = load_anchor(settings)
    if anchor is not None:
        return Trusted(anchor.store.public_keys() if anchor.store else (), anchor, anchor.problem)
    named = settings.certificate_roots.value
    roots = () if named is None else read_certificates(named)
    try:
        found = [key for key in Keyring.open(settings).list() if isinstance(key, StoredKey)]
    except SigningError as error:
        problem = RULES["MR209"].found(error.message, fix=error.hint, severity=Severity.WARN)
        return Trusted((), None, problem, roots)
    own = tuple(PublicKey.from_pem(key.public_pem.encode("ascii")) for key in found)
    return Trusted(own, roots=roots)


def read_history(index: Index, digest: str, settings: Settings, trusted: Trusted, lock: Lock | None) -> History:
    """What the registry shows of its log and of a version, held against what this user and ``lock`` have seen."""
    shown, problems = look(index, settings, lock, () if trusted.is_off else trusted.log_keys)
    if not trusted.log_keys or any(problem.severity is Severity.REFUSE for problem in problems):
        return History(problems)
    known = None
    if shown.newest is not None and not trusted.is_off:
        known = open_checkpoint(shown.newest.note, trusted.log_keys)
    store = trusted.anchor.store if trusted.anchor else None
    quorum = store.witnesses.quorum if store else 0
    return History(problems, read_evidence(index, digest, known.checkpoint if known else None, quorum), known)


def assess(
    manifest: Manifest, data: bytes, bundles: Iterable[KeptBundle], trusted: Trusted, history: History | None = None
) -> Assessment:
    """Whether a version whose manifest has the bytes ``data`` is signed by whom it has to be.  Pure.

    ``history`` is what the registry shows of its log; ``None`` where no registry was asked.
    """
    history = history or History()
    case = _Case(manifest, data, trusted)
    for bundle in sorted(bundles, key=lambda bundle: bundle.listed.kind != BundleKind.OMS):  # they may vouch for a key
        case.take(bundle)
    anchor = trusted.anchor
    problems = (*((trusted.problem,) if trusted.problem else ()), *history.problems)
    if anchor is None:
        return Assessment(tuple(sorted(case.signers)), (*problems, *case.flaws, *case.strangers()))
    if anchor.store is None:
        return Assessment((), (*problems, *case.flaws), Severity.REFUSE)
    places, unproved = _places(case, anchor.store, trusted.log_keys, history)
    decision, log_index = _decided(case, anchor.store, places)
    doubts = findings_of(decision)
    unsigned = UNPROVED[anchor.store.mode]
    if not anchor.store.serves(manifest.registry):
        message = f"the trust store does not let {manifest.registry} be the registry that {case.name} comes from"
        return Assessment((), (*problems, RULES["MR205"].found(message, severity=unsigned), *case.flaws), unsigned)
    signed_by = decision.good if decision.trusted else ()
    return Assessment(signed_by, (*problems, *case.flaws, *unproved, *doubts), unsigned, log_index)


def findings_of(decision: TrustDecision) -> tuple[Finding, ...]:
    """What there is to say of the signers, but that there is none: whoever judges says that of all that is unsigned."""
    return tuple(
        RULES[doubt.kind.rule].found(doubt.message, fix=doubt.fix, severity=doubt.severity)
        for doubt in decision.doubts
        if doubt.kind is not Distrust.MISSING
    )


def _places(
    case: _Case, store: TrustStore, logs: tuple[VerifierKey, ...], history: History
) -> tuple[tuple[Logged, ...], tuple[Finding, ...]]:
    """Where the version is proved to stand in a log that the trust store names, and what is wrong with the proof."""
    evidence = history.evidence
    if not logs or evidence is None:
        return (), ()
    try:
        found = proved(
            evidence,
            sha256_hex(case.data),
            logs,
            witnesses=[VerifierKey.parse(key) for key in store.witnesses.keys],
            quorum=store.witnesses.quorum,
            known=history.known,
        )
    except DocumentError as error:
        return (), (RULES["MR208"].found(f"{case.name}: {error.message}", severity=CONTRADICTED[store.mode]),)
    if found:
        return found, ()
    told = evidence.problem or "the registry shows no proof"
    message = f"{case.name} is not proved to be in the log that the trust store names: {told}"
    return (), (RULES["MR208"].found(message, fix=NOT_COVERED, severity=UNPROVED[store.mode]),)


def _decided(case: _Case, store: TrustStore, places: Iterable[Logged]) -> tuple[TrustDecision, int | None]:
    """The decision at the first place in the registry's own log where enough of the signers had been logged, and it.

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
            return decision, place.index
    return decide(store, model, case.signers, None, unverified=case.told), None


NOT_COVERED = "have whoever keeps the log's key cover it: modelreg log checkpoint"
UNPROVED = {
    Enforcement.OFF: Severity.INFO,
    Enforcement.WARN: Severity.WARN,
    Enforcement.ENFORCE: Severity.REFUSE,
}
"""How grave it is that something is not shown, by the trust store's mode."""
CONTRADICTED = {**UNPROVED, Enforcement.WARN: Severity.REFUSE}
"""How grave it is that something else is shown than what was proved."""


@dataclass(slots=True)
class _Case:
    """One version: ``signers`` are trusted keys that were verified, ``told`` the ids that other signatures give."""

    manifest: Manifest
    data: bytes
    trusted: Trusted
    signers: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)
    certified: set[PublicKey] = field(default_factory=set)
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
        found = dsse.valid_signers(envelope, (*self.trusted.keys, *self.certified))
        self.signers |= found
        self.told |= {signature.key_id for signature in envelope.signatures} - found

    def _take_files(self, bundle: oms.Bundle) -> None:
        """A bundle over the files alone proves no name and no version, so that it makes nobody a signer.

        While a certificate that leads to a root is valid, its key is trusted as if it were the user's own.
        """
        self._count(1)
        if bundle.chain and not self.trusted.roots:
            return
        found = bundle.verify(self.trusted.keys, self.trusted.roots, self.trusted.at)
        if isinstance(found, oms.Stranger):
            if found.reason:
                self.flaws.append(RULES["MR203"].found(f"{self.name}: {found.reason}"))
            return  # the manifest's bundle tells who signed
        self._compare(found.statement)
        if bundle.chain:
            self.certified.add(found.key)

    def _compare(self, statement: Statement) -> None:
        """Raise ``DocumentError`` if ``statement`` is of other files than the version's."""
        files = [(entry.path, entry.sha256) for entry in self.manifest.files]
        if found := differences(statement, files):
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
