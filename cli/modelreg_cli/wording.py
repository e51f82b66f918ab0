"""Words for sizes, counts, digests and verdicts that several commands use."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelreg import IndexEntry, Json, Verdict


def size(size_bytes: int) -> str:
    """``17,208 bytes``, and from a megabyte on also ``1.2 GiB (1,288,490,188 bytes)``."""
    exact = f"{size_bytes:,} bytes"
    if size_bytes < 1024**2:
        return exact
    unit, name = next((unit, name) for unit, name in _UNITS if size_bytes >= unit)
    return f"{size_bytes / unit:.1f} {name} ({exact})"


_UNITS = ((1024**4, "TiB"), (1024**3, "GiB"), (1024**2, "MiB"))


def counted(number: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def prefixed(digest: str | None) -> str | None:
    """A bare digest as it is written everywhere outside: ``sha256:...``."""
    return None if digest is None else f"sha256:{digest}"


def decided(verdict: Verdict) -> str:
    """``passed``, or ``warned (2 warnings)``."""
    if verdict.decision.value == "warned":
        return f"warned ({counted(len(verdict.warnings), 'warning')})"
    return verdict.decision.value


def uncovered(problem: str | None) -> tuple[str, ...]:
    """What to say of a change that was logged, and whose log could not be signed."""
    if problem is None:
        return ()
    return (f"it is logged, and no checkpoint covers it yet: {problem}; modelreg log checkpoint signs the log",)


def entry_value(entry: IndexEntry) -> dict[str, Json]:
    """An index entry as a JSON object."""
    import modelreg

    value = modelreg.to_json(entry)
    assert isinstance(value, dict)  # noqa: S101 - for the type checker
    return {"reference": f"{entry.model}:{entry.version}", **value, "digest": prefixed(entry.digest)}
