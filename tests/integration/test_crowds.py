"""Files that hold tens of thousands of one thing: facts come in seconds, or a bound refuses, in bounded memory."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelreg.facts import DefectKind, Facts, HazardKind
from modelreg.inspect import Inspector
from modelreg.inspect.limits import ChildLimits
from modelreg.records import canonical_json, to_json
from modelreg.rules import Policy, Purpose, judge

PEAK_MIB_MAX = 512
JUDGED_CPU_S_MAX = 8.0
"""Of rules and of writing a manifest, in the parent; a second on a machine that does nothing else."""
SLOW_TO_MAKE = frozenset({"tensors", "attributes", "soft links"})
"""libhdf5 takes minutes to write them."""


def loaded() -> Any:
    spec = importlib.util.spec_from_file_location("crowded_files", Path(__file__).parent / "crowded_files.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


crowded_files = loaded()


def read(name: str) -> tuple[Facts, int]:
    """Facts with digests, and the MiB that the reader took."""
    opened = []
    for path, data in crowded_files.CROWDS[name]().items():
        descriptor = os.memfd_create("crowd")
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        opened.append((path, descriptor))
    try:
        # Wall time says little of a machine that tests run on in parallel.
        with Inspector(expect_hdf5=True, child_limits=ChildLimits(cpu_s=30, silence_s=300, wall_s=300)) as inspector:
            facts = inspector.inspect(opened, values=True)
            assert inspector.reader_end is not None
            return facts, inspector.reader_end.peak_kib // 1024
    finally:
        for _, descriptor in opened:
            os.close(descriptor)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(crowded_files.CROWDS) - SLOW_TO_MAKE))
def test_a_crowd_is_read_in_bounds_or_refused_by_one(name: str, tally: Callable[[str, int], None]) -> None:
    """No reader dies or takes 512 MiB; the rules and the manifest take seconds too; what was left out is told."""
    facts, peak_mib = read(name)
    tally(f"MiB for 100,000 of: {name}", peak_mib)
    assert peak_mib < PEAK_MIB_MAX
    assert not any(defect.kind is DefectKind.READER_DIED for defect in facts.defects)
    start = time.process_time()
    judge(facts, Policy(purpose=Purpose.PULL), None, None)
    canonical_json(to_json(facts))
    assert time.process_time() - start < JUDGED_CPU_S_MAX
    is_cut = len(facts.layers) >= 50_000 or len(facts.hazards) >= 1_000
    assert not is_cut or any(hazard.kind is HazardKind.TOO_MUCH for hazard in facts.hazards)
