"""Files that once broke a promise, each found by ``tools/mutate_models.py``, kept as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelreg.artifact import open_artifact
from modelreg.facts import DefectKind, HazardKind
from modelreg.inspect import Inspector

VECTORS = Path(__file__).parents[2] / "vectors" / "hostile"
EXPECTED = {
    "heap-without-an-end-1.h5": DefectKind.DAMAGED_HDF5,
    "heap-without-an-end-2.h5": DefectKind.DAMAGED_HDF5,
    "heap-without-an-end-3.h5": DefectKind.DAMAGED_HDF5,
    "length-only-claimed-1.h5": HazardKind.TOO_MUCH,
    "length-only-claimed-2.h5": HazardKind.TOO_MUCH,
    "member-without-a-name.keras": HazardKind.UNSAFE_MEMBER_NAME,
    "tuple-for-a-connection.keras": None,
}
"""What is told of each: libhdf5 went round for ever, it allocated 2 GiB for a text, ``zipfile`` and the semantic digest
raised."""
CPU_MS_MAX = 4_000
"""Endless ones were ended after eight seconds of processor time."""
PEAK_KIB_MAX = 512 * 1024


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_what_once_broke_a_promise_is_told(name: str) -> None:
    """The reader ends by itself, and says what is wrong with the file."""
    with open_artifact(VECTORS / name) as files, Inspector() as inspector:
        facts = inspector.inspect([(file.path, file.descriptor) for file in files], values=True)
        assert inspector.reader_end is not None
        assert inspector.reader_end.cpu_ms < CPU_MS_MAX
        assert inspector.reader_end.peak_kib < PEAK_KIB_MAX
    told = {*(defect.kind for defect in facts.defects), *(hazard.kind for hazard in facts.hazards)}
    assert not told & {DefectKind.READER_DIED, DefectKind.READER_TIMED_OUT}
    if (expected := EXPECTED[name]) is not None:
        assert expected in told


def test_every_vector_is_expected() -> None:
    """A file that is added is read."""
    assert {path.name for path in VECTORS.iterdir()} == set(EXPECTED)
