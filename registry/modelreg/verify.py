"""Verification: evidence to a verdict.  Pure: no file, no network, no clock, no database.

The order is fixed and is the point of this module:

1. the manifest's bytes against the digest that was asked for, before they are parsed;
2. the index entry against the manifest;
3. who signed it, against what the policy demands;
4. withdrawal;
5. facts against target and policy.

All of that is known before a single byte of the model is fetched.  The bytes follow chunk by chunk and end as findings
made here too, so that a verdict looks the same wherever it comes from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from modelreg.errors import DocumentError
from modelreg.findings import Finding, Severity, Verdict
from modelreg.manifest import FileEntry, IndexedBundle, IndexEntry, Manifest, manifest_digest, parse_manifest
from modelreg.rules import RULES, Policy, Target, judge

_STATE = ("withdrawn_at", "withdrawn_reason", "aliases", "bundles")
TENSORS_NAMED_MAX = 4


@dataclass(frozen=True, slots=True)
class KeptBundle:
    """The bytes under the digest of a bundle that an index or a folder lists; nothing of them is believed.

    ``data`` is ``None`` where they are not there, or longer than any bundle of the version.
    """

    listed: IndexedBundle
    data: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a version before its bytes are fetched.

    ``manifest`` is ``None`` where the store has no such blob.  ``index`` is ``None`` where there is no database (a
    pulled folder).  ``signed_by`` are the ids of trusted keys of which a bundle over this manifest was verified, if
    they are as many as must have signed.  ``doubts`` is what else there is to say of its signatures and of the trust
    store, ``unsigned`` how grave it is that nobody has to be believed (``None``: as the rule says).  ``bundles`` are
    kept beside a pulled model.  ``log_index`` is its proved place in the registry's log.
    """

    digest: str
    manifest: bytes | None
    index: IndexEntry | None = None
    signed_by: tuple[str, ...] = ()
    doubts: tuple[Finding, ...] = ()
    unsigned: Severity | None = None
    bundles: tuple[KeptBundle, ...] = ()
    log_index: int | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and the manifest that it speaks of with its exact bytes (``None`` if that could not be believed)."""

    verdict: Verdict
    manifest: Manifest | None
    manifest_bytes: bytes = b""
    signed_by: tuple[str, ...] = ()
    bundles: tuple[KeptBundle, ...] = ()
    log_index: int | None = None


def verify(evidence: Evidence, policy: Policy, target: Target | None) -> Judgement:
    """Judge a version by its evidence; see the module's docstring for the order."""
    name = target.name if target else None
    manifest, finding = _believe(evidence)
    if manifest is None:
        return Judgement(Verdict((finding,) if finding else (), name), None)
    findings = (
        *_compare(evidence.index, manifest),
        *policy.settle(_signatures(evidence, manifest, policy)),
        *policy.settle(_withdrawal(evidence.index)),
        *judge(manifest.facts, policy, target, manifest.push),
    )
    data = evidence.manifest or b""
    return Judgement(Verdict(findings, name), manifest, data, evidence.signed_by, evidence.bundles, evidence.log_index)


def _believe(evidence: Evidence) -> tuple[Manifest | None, Finding | None]:
    rule = RULES["MR101"]
    if evidence.manifest is None:
        return None, rule.found(f"the store has no manifest sha256:{evidence.digest[:64]}")
    actual = manifest_digest(evidence.manifest)
    if actual != evidence.digest:
        return None, rule.found(f"the manifest has SHA-256 {actual}; sha256:{evidence.digest} was asked for")
    try:
        return parse_manifest(evidence.manifest), None
    except DocumentError as error:
        return None, rule.found(error.message)


def _compare(index: IndexEntry | None, manifest: Manifest) -> Iterator[Finding]:
    if index is None:
        return
    told = IndexEntry.of(manifest, index.digest)
    for column in dataclasses.fields(IndexEntry):
        said, true = getattr(index, column.name), getattr(told, column.name)
        if column.name not in _STATE and said != true:
            yield RULES["MR102"].found(
                f"the database says {column.name} = {_short(said)}, the manifest says {_short(true)}",
                where=f"{index.model}:{index.version}",
            )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _signatures(evidence: Evidence, manifest: Manifest, policy: Policy) -> Iterator[Finding]:
    yield from evidence.doubts
    if evidence.signed_by:
        return
    severity, demanded = evidence.unsigned, ""
    if evidence.unsigned is Severity.REFUSE:
        demanded = "; the trust store demands one"
    if policy.require_signature:
        severity, demanded = Severity.REFUSE, "; the policy demands one"
    yield RULES["MR201"].found(
        f"{manifest.model}:{manifest.version} has no signature by a trusted key{demanded}",
        fix="pull a signed version" if demanded else None,
        severity=severity,
    )


def _withdrawal(index: IndexEntry | None) -> Iterator[Finding]:
    if index is not None and index.withdrawn_at is not None:
        yield RULES["MR501"].found(
            f"{index.model}:{index.version} was withdrawn on {index.withdrawn_at[:10]}: {index.withdrawn_reason}"
        )


def missing_file(entry: FileEntry) -> Finding:
    """MR103 for a file whose bytes are not there at all."""
    return RULES["MR103"].found(
        f"{entry.path}: its {entry.size_bytes:,} bytes are missing (blob sha256:{entry.sha256})", where=entry.path
    )


def wrong_size(entry: FileEntry, size_bytes: int) -> Finding:
    """MR103 for a file that is shorter or longer than what was pushed."""
    return RULES["MR103"].found(
        f"{entry.path}: {size_bytes:,} bytes are there, {entry.size_bytes:,} were pushed", where=entry.path
    )


def wrong_chunks(manifest: Manifest, entry: FileEntry, indices: Iterable[int]) -> Iterator[Finding]:
    """MR104 for each run of neighbouring chunks that differ, with the tensors that lie in it."""
    for first, last in _runs(indices):
        offset, _ = entry.digest.chunk_extent(first)
        last_offset, last_size = entry.digest.chunk_extent(last)
        end = last_offset + last_size
        tensors = manifest.facts.tensors_at(entry.path, offset, end - offset)
        named = ", ".join(repr(tensor.path) for tensor in tensors[:TENSORS_NAMED_MAX])
        more = len(tensors) - TENSORS_NAMED_MAX
        hit = f"in tensor {named}" + (f" and {more} more" if more > 0 else "") if tensors else "outside every tensor"
        yield RULES["MR104"].found(
            f"{entry.path}: bytes {offset:,} to {end - 1:,} differ from what was pushed, {hit}",
            where=f"{entry.path}, offset {offset}",
        )


def _runs(indices: Iterable[int]) -> Iterator[tuple[int, int]]:
    first = last = None
    for index in sorted(indices):
        if last is not None and index == last + 1:
            last = index
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = index
    if first is not None and last is not None:
        yield first, last


def wrong_sha256(entry: FileEntry, actual: str) -> Finding:
    """MR105 for a file whose whole digest differs."""
    return RULES["MR105"].found(f"{entry.path}: SHA-256 is {actual}, {entry.sha256} was pushed", where=entry.path)


def foreign_file(path: str, policy: Policy) -> Finding:
    """MR106 for a file of a pulled folder that the manifest does not name."""
    (finding,) = policy.settle([RULES["MR106"].found(f"{path} is not in the manifest", where=path)])
    return finding
