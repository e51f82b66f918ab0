"""From what a caller gives and what the settings say to a policy and a target."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypedDict, Unpack

from modelreg.client.bundles import read_bundles
from modelreg.client.provided import provided_names
from modelreg.config import Settings
from modelreg.db.records import Index
from modelreg.digest import is_sha256
from modelreg.environment import resolve_target
from modelreg.errors import BlobMissingError, DocumentError, RefusedError
from modelreg.findings import Decision, Finding, Verdict
from modelreg.manifest import IndexEntry, Manifest, manifest_digest, parse_manifest
from modelreg.records import DOCUMENT_SIZE_BYTES_MAX
from modelreg.rules import Mode, Policy, Purpose, Target, rule_ids
from modelreg.store.base import Store
from modelreg.verify import Evidence, Judgement, KeptBundle

if TYPE_CHECKING:
    from modelreg.client.trusting import History, Trusted
    from modelreg.trust.lock import Lock


class Checks(TypedDict, total=False):
    """How strictly to judge; the keyword arguments of every method that judges.

    ``mode``: ``verify`` turns warnings into refusals, ``no-verify`` turns all but the checks of the bytes off.
    ``target``: the environment to judge for (``current``, ``none``, a document, an interpreter, a requirements text).
    ``allow`` and ``strict``: rule ids whose findings only inform, or refuse.
    ``provides``: the custom objects that the loader has, by name, or modules (dotted, or a ``.py`` file) whose source
    names them; an empty tuple says that it has none.
    ``lock``: what ``read_lock`` read; the version must be the one that is locked in it.
    ``alias``: by which alias the version was found, where the reference does not say.
    """

    mode: Mode
    target: str | None
    allow: Iterable[str]
    strict: Iterable[str]
    provides: Iterable[str] | None
    lock: Lock | None
    alias: str | None


def policy_of(settings: Settings, purpose: Purpose, *, safe_mode: bool = False, **checks: Unpack[Checks]) -> Policy:
    """The policy that arguments and settings make together; an argument wins over the settings for its rule."""
    allow, strict = checks.get("allow", ()), checks.get("strict", ())
    given_allow, given_strict = rule_ids(allow, option="--allow"), rule_ids(strict, option="--strict")
    set_allow = rule_ids(settings.allow.value, option="--allow") - given_strict
    set_strict = rule_ids(settings.strict.value, option="--strict") - given_allow
    provides = checks.get("provides")
    provided = settings.provides.value if provides is None else provides
    return Policy(
        purpose=purpose,
        mode=checks.get("mode", Mode.DEFAULT),
        allow=given_allow | set_allow,
        strict=given_strict | set_strict,
        provides=None if provided is None else frozenset(provided_names(provided)),
        require_signature=settings.require_signature.value,
        safe_mode=safe_mode,
    )


def target_of(text: str | None, settings: Settings) -> Target | None:
    """The target that ``text`` or else the settings name; ``None`` for ``none``."""
    name = settings.target.value if text is None else text
    environment = resolve_target(name)
    if environment is None:
        return None
    return Target(name, environment, is_implied=text is None and settings.target.source == "default")


def evidence_of(
    store: Store,
    entry: IndexEntry,
    settings: Settings | None = None,
    index: Index | None = None,
    lock: Lock | None = None,
    alias: str | None = None,
) -> Evidence:
    """What is known of an indexed version before its files are read; with ``settings`` also who signed it.

    With ``index`` its log is held against what this user, and ``lock``, have seen of it before, and the version's place
    in it is proved where a trust store names the log; then the log also tells where ``alias`` points, and what is
    withdrawn.
    """
    data: bytes | None = None
    if is_sha256(entry.digest):  # a row can say anything
        with contextlib.suppress(BlobMissingError):
            data = store.read(entry.digest, DOCUMENT_SIZE_BYTES_MAX)
    evidence = Evidence(entry.digest, data, entry)
    if settings is None or data is None:
        return evidence
    return with_signatures(evidence, read_bundles(store, entry.bundles, data), settings, index, lock, alias)


def with_signatures(
    evidence: Evidence,
    bundles: tuple[KeptBundle, ...],
    settings: Settings,
    index: Index | None = None,
    lock: Lock | None = None,
    alias: str | None = None,
) -> Evidence:
    """``evidence`` with who signed the version, by its ``bundles``, and what the log of ``index`` says.

    A manifest that is none is signed by nobody.
    """
    data = evidence.manifest
    if data is None or manifest_digest(data) != evidence.digest:
        return evidence
    if not bundles and settings.trust_store.value is None:
        return evidence if index is None else _with_history(evidence, index, settings, lock)
    from modelreg.client.trusting import assess, read_history, trusted_by

    try:
        manifest = parse_manifest(data)
    except DocumentError:
        return evidence  # which verify refuses
    trusted = trusted_by(settings)
    history = None if index is None else read_history(index, evidence.digest, settings, trusted, lock)
    found = assess(manifest, data, bundles, trusted, history)
    return dataclasses.replace(
        evidence,
        signed_by=found.signed_by,
        doubts=(*found.doubts, *_said_of(evidence, index, trusted, history, alias)),
        unsigned=found.unsigned,
        bundles=bundles,
        log_index=found.log_index,
    )


def _said_of(
    evidence: Evidence, index: Index | None, trusted: Trusted, history: History | None, alias: str | None
) -> tuple[Finding, ...]:
    """What a log that a trust store names says of the version and of ``alias``."""
    known = history.known if history else None
    store = trusted.anchor.store if trusted.anchor else None
    if index is None or known is None or store is None or evidence.index is None:
        return ()
    from modelreg.client.pointing import pointing_findings

    return pointing_findings(index, known.checkpoint, evidence.index, alias, trusted, store)


def _with_history(evidence: Evidence, index: Index, settings: Settings, lock: Lock | None) -> Evidence:
    """``evidence`` of a version that nobody signed, with what the log says; loads no cryptography."""
    from modelreg.client.memory import look

    return dataclasses.replace(evidence, doubts=look(index, settings, lock)[1])


def accepted(judgement: Judgement, what: str) -> Manifest:
    """The judged manifest; raises ``RefusedError`` that starts with ``what`` if the verdict refuses."""
    refuse(judgement.verdict, what)
    assert judgement.manifest is not None  # noqa: S101 - a verdict without a manifest is a refusal
    return judgement.manifest


def accepted_bytes(verdict: Verdict, findings: Iterable[Finding], what: str) -> Verdict:
    """``verdict`` with what the bytes had to say; raises ``RefusedError`` if that refuses."""
    complete = verdict.with_findings(findings)
    refuse(complete, what)
    return complete


def refuse(verdict: Verdict, what: str) -> None:
    """Raise ``RefusedError`` if ``verdict`` refuses, with the gravest finding as its message."""
    if verdict.decision is Decision.REFUSED:
        first = verdict.refusals[0]
        raise RefusedError(f"{what}: {first.message}", verdict=verdict, hint=first.fix)
