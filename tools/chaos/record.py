"""The outside record: what was acknowledged, kept by whoever cannot be killed, and held against the registry later."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chaos.report import Row
from modelreg import Inspector, ModelregError, Registry


def fingerprint(path: Path) -> dict[str, str]:
    """The SHA-256 of the file ``path``, or of every file below it, by name; without what a pull puts beside them."""
    files = [path] if path.is_file() else [each for each in sorted(path.rglob("*")) if each.is_file()]
    named = {each.name if path.is_file() else each.relative_to(path).as_posix(): each for each in files}
    return {
        name: hashlib.sha256(each.read_bytes()).hexdigest()
        for name, each in named.items()
        if not name.startswith(".modelreg/")
    }


@dataclass(slots=True)
class Record:
    """Acknowledged pushes by reference and digest; ``started`` holds the files of all pushes, answered or not.

    Two pushes that were told the same reference are two entries: one of them is lost.
    """

    pushes: dict[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    started: list[Mapping[str, str]] = field(default_factory=list)

    def acknowledge(self, reference: str, digest: str, files: Mapping[str, str]) -> None:
        """Note what a push said when it was done."""
        self.pushes[reference, digest.removeprefix("sha256:")] = files

    def audit(self, registry: Registry, row: Row, *, sweep: bool = True) -> None:
        """Hold the registry against the record: every version acknowledged or listed is pulled and compared.

        Counts into ``row``.  Then a sweep, after which the store has to hold exactly what the versions name.
        """
        row.acknowledged += len(self.pushes)
        entries = {f"{entry.model}:{entry.version}": entry for entry in registry.list()}
        for reference, digest in self.pushes:
            if reference not in entries or entries[reference].digest != digest:
                row.lost += 1
                row.problems.append(f"{reference} was acknowledged and is not there")
        for reference, entry in entries.items():
            self._audit_version(registry, reference, entry.digest, row)
        for model in {entry.model for entry in entries.values()}:
            found = [entry.version for entry in entries.values() if entry.model == model]
            if found != list(range(1, len(found) + 1)):
                row.problems.append(f"versions of {model} are {found}")
        if sweep:
            audit_sweep(registry, row)

    def _audit_version(self, registry: Registry, reference: str, digest: str, row: Row) -> None:
        with tempfile.TemporaryDirectory() as folder:
            destination = Path(folder, "out")
            try:
                registry.pull(reference, destination, full=True, target="none", allow=["MR501"])
            except ModelregError as error:
                row.lost += 1
                row.problems.append(f"{reference} is listed and not whole: {error.message[:100]}")
                return
            found = fingerprint(destination)
        pushed = self.pushes.get((reference, digest))
        known = self.started if pushed is None else [pushed]
        if found not in known:
            row.wrong += len(found)
            row.problems.append(f"{reference} came back as other bytes")


def audit_sweep(registry: Registry, row: Row) -> None:
    """Sweep, and count what is there that no version names, and leases of nobody."""
    try:
        registry.gc(even_if_empty=True)
    except ModelregError as error:
        row.problems.append(f"gc: {error.message[:100]}")
    found, named = {blob.sha256 for blob in registry.store.blobs()}, registry._index.referenced()  # noqa: SLF001
    kept = len(found - named) + len(list(registry.store.staged())) + len(registry.gc(dry_run=True).leases)
    if kept:
        row.leftovers += kept
        row.problems.append(f"{kept} left over after gc")


def audit_next_push(registry: Registry, source: Path, record: Record, row: Row, inspector: Inspector) -> None:
    """Push once more, as if nothing had been; the version goes into the record."""
    files = fingerprint(source)
    record.started.append(files)
    try:
        pushed = registry.push(source, name="fraud", environment="none", inspector=inspector)
    except ModelregError as error:
        row.problems.append(f"the next push: {error.message[:100]}")
        return
    assert pushed.digest is not None
    record.acknowledge(pushed.reference, pushed.digest, files)


def audit_destination(destination: Path, before: Mapping[str, str] | None, wanted: Mapping[str, str], row: Row) -> None:
    """Where a pull was to place ``wanted``: that, or what was there ``before`` (``None``: nothing)."""
    found = fingerprint(destination) if destination.exists() else None
    if found not in (before, wanted):
        row.wrong += 1
        row.problems.append(f"the destination holds {sorted(found or {})}")
