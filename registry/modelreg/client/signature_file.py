"""A signature in a file of its own, as the public ``model_signing`` tool writes it, and what it says of given files.

An OpenSSF Model Signing bundle binds names and bytes of files and nothing else.  It is held against what lies on disk,
or against what the manifest of a version says of its members, whose bytes the usual check of the version reads.

Invariants:

* Before a key that is believed was found to have made a bundle, no file is read, and what the bundle says of them is
  not looked at.
* Keys and roots that are named are the only ones that count.  Where none is, those of the trust store count for the
  models that its roles let them sign; without one the user's own keys, and those that the setting
  ``certificate_roots`` vouches for now.  A key that the trust store has revoked never counts, whoever names it.
* Whoever names a signature demands one: where nobody made it who counts, that is a refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Unpack

from modelreg.client.anchor import load_anchor
from modelreg.client.checks import Checks, policy_of, refuse
from modelreg.client.keyring import Keyring
from modelreg.client.placed import Placed, sha256_of
from modelreg.client.results import FoundSignature, SignedFiles
from modelreg.client.trust_keys import given_key
from modelreg.client.trusting import Trusted, findings_of, trusted_by
from modelreg.config import Settings, load_settings
from modelreg.digest.streams import Progress, Reader
from modelreg.errors import BlobMissingError, DocumentError, UntrustedError, UsageError
from modelreg.files import read_bounded
from modelreg.findings import Finding, Severity, Verdict
from modelreg.manifest import Manifest
from modelreg.refs import parse_name
from modelreg.rules import RULES, Purpose
from modelreg.store.base import Store
from modelreg.trust import oms
from modelreg.trust.certificates import Certificate
from modelreg.trust.decision import decide
from modelreg.trust.oms_statement import Difference, Flaw, Statement, differences
from modelreg.trust.signers.certified import read_certificates
from modelreg.trust.trust_store import Enforcement, TrustStore

DIFFERENCES_NAMED_MAX = 100
NAME_LENGTH_SHOWN = 200


@dataclass(frozen=True, slots=True)
class SignatureRequest:
    """The bundle in ``file``, and who may have made it.

    ``keys`` are PEM files, or names of keys of the trust store or of the user; ``roots`` is a PEM file of certificates.
    With neither, whoever is trusted otherwise may, and ``model`` is the name under which a trust store is asked.
    """

    file: Path
    keys: tuple[str, ...] = ()
    roots: Path | None = None
    model: str | None = None

    @property
    def names_signers(self) -> bool:
        return bool(self.keys) or self.roots is not None


def verify_files(
    path: str | Path,
    request: SignatureRequest,
    *,
    settings: Settings | None = None,
    progress: Progress | None = None,
    **checks: Unpack[Checks],
) -> SignedFiles:
    """Check the file or the folder at ``path`` against a signature, and against nothing else.

    The signature itself may lie in the folder, and what modelreg keeps beside a pulled model is not asked about.  Of
    ``checks`` only ``mode``, ``allow`` and ``strict`` mean something here.  Raises ``NotFoundError`` and ``UsageError``
    for what cannot be read, ``RefusedError``.
    """
    path = Path(path)
    settings = settings or load_settings()
    placed, size_bytes = Placed(path, request.file), 0

    def count(done: int) -> None:
        nonlocal size_bytes
        size_bytes += done
        if progress:
            progress(done)

    placed.is_folder()
    subject = _Subject(
        repr(str(path)), request.model, None, lambda wanted: placed.digests(wanted, count), placed.open, count
    )
    signature, findings = _look(request, settings, subject)
    policy = policy_of(settings, Purpose.PULL, **checks)
    verdict = Verdict(policy.settle(findings))
    refuse(verdict, f"{subject.name} is refused")
    return SignedFiles(path, size_bytes, signature, verdict)


def check_signature(
    request: SignatureRequest, settings: Settings, store: Store, manifest: Manifest
) -> tuple[FoundSignature | None, tuple[Finding, ...]]:
    """What a signature says of a version's files, by its believed ``manifest``; the findings as no policy bends them.

    Only pieces of files, where those were signed, are read from ``store``.  Raises as ``verify_files`` and
    ``StoreError``; ``UsageError`` where the request gives another model's name.
    """
    if request.model not in (None, manifest.model):
        raise UsageError(f"the version is one of {manifest.model!r}, not of {request.model!r}", hint="leave --name out")
    blobs = {entry.path: entry.sha256 for entry in manifest.files}

    @contextmanager
    def opened(path: str) -> Iterator[SizedReader | None]:
        with suppress(BlobMissingError), closing(store.open(blobs[path])) as blob:
            yield blob
            return
        yield None

    name = f"{manifest.model}:{manifest.version}"
    subject = _Subject(name, manifest.model, manifest.registry, lambda _: blobs.items(), opened, None)
    return _look(request, settings, subject)


class SizedReader(Reader, Protocol):
    """An open file that knows its size."""

    @property
    def size_bytes(self) -> int: ...


@dataclass(frozen=True, slots=True)
class _Subject:
    """The files that a bundle is held against; ``digests`` are those of the paths that are wanted, or of all.

    It has the methods of ``Pieces``.
    """

    name: str
    model: str | None
    registry: str | None
    digests: Callable[[frozenset[str] | None], Iterable[tuple[str, str]]]
    open: Callable[[str], AbstractContextManager[SizedReader | None]]
    progress: Progress | None

    def size_bytes(self, path: str) -> int:
        with self.open(path) as reader:
            return 0 if reader is None else reader.size_bytes

    def sha256(self, path: str, start: int, end: int) -> str:
        with self.open(path) as reader:
            return "" if reader is None else sha256_of(reader, start, end, self.progress)


def _look(
    request: SignatureRequest, settings: Settings, subject: _Subject
) -> tuple[FoundSignature | None, tuple[Finding, ...]]:
    """Who made the bundle, and in what the files differ from it; the signature is ``None`` unless it counts."""
    shown = f"the signature {str(request.file)!r}"
    believed, store = _believed(request, settings)
    problems = (believed.problem,) if believed.problem else ()
    unsigned = RULES["MR201"].found(
        f"{subject.name} has no signature by a trusted key in {str(request.file)!r}",
        fix="if you know by another way whose it is: --key PUBLIC.pem, or --certificate-roots FILE",
        severity=Severity.REFUSE,
    )
    try:
        data = read_bounded(request.file, oms.BUNDLE_SIZE_BYTES_MAX, "signature", error=UsageError)
        bundle = oms.Bundle.parse(data)
        made = bundle.verify(believed.keys, believed.roots, believed.at)
        if isinstance(made, oms.Stranger):
            return None, (*problems, _by_stranger(shown, made), unsigned)
        counts, doubts = _standing(made.key.id, request, store, subject)
        if not counts:
            return None, (*problems, *doubts, unsigned)
        found = tuple(_findings(_compare(made.statement, subject), made.statement))
    except (DocumentError, UntrustedError) as error:
        return None, (*problems, RULES["MR202"].found(f"{shown}: {error.message}", fix=error.hint))
    certificate = Certificate.from_der(bundle.chain[0]).subject if bundle.chain else None
    signature = FoundSignature(str(request.file), made.key.id, certificate, len(made.statement.paths))
    return signature, (*problems, *doubts, *found)


def _by_stranger(shown: str, stranger: oms.Stranger) -> Finding:
    reason = f": {stranger.reason}" if stranger.reason else f" is by {stranger.name}, which is none that counts here"
    return RULES["MR203"].found(shown + reason)


def _believed(request: SignatureRequest, settings: Settings) -> tuple[Trusted, TrustStore | None]:
    """Whose signature counts, and the trust store that has a say in it."""
    if not request.names_signers:
        trusted = trusted_by(settings)
        return trusted, trusted.anchor.store if trusted.anchor else None
    anchor = load_anchor(settings)
    store = anchor.store if anchor else None
    keyring = Keyring.open(settings)
    keys = tuple(given_key(text, keyring, store)[1] for text in request.keys)
    roots = () if request.roots is None else read_certificates(request.roots)
    return Trusted(keys, anchor, anchor.problem if anchor else None, roots), store


def _standing(
    key: str, request: SignatureRequest, store: TrustStore | None, subject: _Subject
) -> tuple[bool, tuple[Finding, ...]]:
    """Whether the verified signature of a believed key counts for the model, and what there is to say of that."""
    if store is None:
        return True, ()
    if request.names_signers:
        revocation = store.revocation(key)
        if revocation is None:
            return True, ()
        message = f"{subject.name} is signed by {store.label(key)}, which the trust store revoked: {revocation.reason}"
        severity = Severity.INFO if store.mode is Enforcement.OFF else None
        return False, (RULES["MR204"].found(message, severity=severity),)
    if subject.model is None:
        raise UsageError(
            f"the trust store lets keys sign models by their names, and nothing says which model {subject.name} is",
            hint="--name NAME, or --key PUBLIC.pem for a key that counts for these files",
        )
    if subject.registry is not None and not store.serves(subject.registry):
        message = f"the trust store does not let {subject.registry} be the registry that {subject.name} comes from"
        return False, (RULES["MR205"].found(message),)
    decision = decide(store, parse_name(subject.model), (key,), None)
    return decision.trusted, findings_of(decision)


def _compare(statement: Statement, subject: _Subject) -> tuple[Difference, ...]:
    if statement.serialization.shard_size is not None:
        wanted: frozenset[str] | None = frozenset()  # pieces are hashed, as they are compared
    else:
        wanted = None if statement.paths == {"."} else statement.paths  # the public tool's name of a file by itself
    return differences(statement, subject.digests(wanted), pieces=subject)


def _findings(found: Iterable[Difference], statement: Statement) -> Iterator[Finding]:
    """Every file that differs, up to so many of them, and what nobody signed last."""
    ordered = sorted(found, key=lambda difference: (list(_WORDS).index(difference.flaw), difference.path))
    for difference in ordered[:DIFFERENCES_NAMED_MAX]:
        words, fix = _WORDS[difference.flaw]
        if difference.flaw is Flaw.UNSIGNED and _is_below(difference.path, statement.serialization.ignore_paths):
            words += ": the signer passed it over"
        path = difference.path[:NAME_LENGTH_SHOWN]
        yield RULES["MR202"].found(f"{path} {words}", where=path, fix=fix)
    more = len(ordered) - DIFFERENCES_NAMED_MAX
    if more > 0:
        yield RULES["MR202"].found(f"{more:,} more files differ from what was signed")


def _is_below(path: str, places: Iterable[str]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


_AGAIN = "get the files again from whoever signed them"
_WORDS = {
    Flaw.CHANGED: ("does not hold the bytes that were signed", _AGAIN),
    Flaw.MISSING: ("was signed and is not there", _AGAIN),
    Flaw.UNSIGNED: ("is there and nobody signed it", "remove it, or check a copy of the folder without it"),
}
"""In the order in which they are told."""
