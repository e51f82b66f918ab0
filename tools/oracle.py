"""Scores the compatibility rules against recorded loads: what we say about (file, reader), and what really happened.

Run ``make oracle``, or ``python tools/oracle.py [--oracle FOLDER] [--readers A,B] [--misses N]``.  A folder holds
``models/WRITER/...`` and ``loads/READER.json`` as ``tests/oracle/README.md`` describes; the scores are defined there.
Every artifact is inspected once and judged for each reader, in this one process.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelreg.artifact import open_artifact
from modelreg.environment.requirements import read_requirements
from modelreg.facts import Facts
from modelreg.findings import Finding, Severity, Verdict
from modelreg.inspect import Inspector
from modelreg.rules import Policy, Purpose, Target, judge

ORACLE = Path(__file__).resolve().parent.parent / "tests" / "oracle"
BAD = frozenset({"error", "killed", "different"})
GOOD = frozenset({"same", "loaded"})


@dataclass(frozen=True, slots=True)
class Load:
    """One recorded load."""

    file: str
    outcome: str
    error: str
    message: str

    @property
    def text(self) -> str:
        return f"{self.error}: {self.message}"


@dataclass(frozen=True, slots=True)
class Reader:
    """One recorded environment and its loads."""

    name: str
    target: Target
    loads: tuple[Load, ...]


def read_loads(path: Path) -> Reader:
    document = json.loads(path.read_text(encoding="utf-8"))
    pins = "\n".join(line for line in document["packages"] if "==" in line)
    environment = read_requirements(pins, what=path.name, python=document["python"])
    loads = tuple(
        Load(item["file"], item["outcome"], item.get("error") or "", item.get("message") or "")
        for item in document["results"]
    )
    return Reader(document["reader"], Target(document["reader"], environment), loads)


def inspect_all(models: Path, files: Sequence[str]) -> dict[str, Facts]:
    facts = {}
    with Inspector(expect_hdf5=True) as inspector:
        for name in files:
            with open_artifact(models / name) as opened:
                facts[name] = inspector.inspect([(file.path, file.descriptor) for file in opened])
    return facts


# The cause

_QUOTED = re.compile(r"[`'\"<]([A-Za-z_][\w.>/:-]*)[`'\">]")
_KEYWORDS = re.compile(r"[Uu]nrecognized keyword arguments.*?[:(].*?([{\[(].*)", re.DOTALL)
_KEY = re.compile(r"'(\w+)'")
_FILLERS = frozenset({"layer", "keras", "class_name", "config", "module", "name", "None", "builtins", "function", "str"})


def causes(load: Load) -> Iterator[set[str]]:
    """Sets of words, any one of which in a finding names the recorded cause; the first set that applies counts."""
    text = load.text
    by_message = (
        (r"bad marshal data|EOF read where|codeobject\.c|unknown opcode", {"bytecode of Python"}),
        (r"No model (config )?found|model_config", {"weights only"}),
        (r"File not found: filepath=|not a zip file|SavedModel file does not exist|accessible `.keras` zip", {"HDF5", "zip", "weights only"}),
        (r"File format not supported", {"SavedModel", "not read", "weights only"}),
        (r"could not automatically infer the shape|output_shape|NameError|name '\w+' is not defined", {"Lambda"}),
        (r"parent module (?P<word>[\w.]+) cannot be imported", set()),
        (r"Unrecognized keyword arguments", {"batch_shape"} if "batch_shape" in text else set()),
        (r"expected \d+ variables, but received \d+|objects could not be loaded|Layer count mismatch|layers into a model", {"weights"}),
    )
    for pattern, words in by_message:
        found = re.search(pattern, text)
        if found and words:
            yield words
        elif found and found.groupdict().get("word"):
            yield {found["word"]}
    keywords = _KEYWORDS.search(text)
    if keywords:
        yield set(_KEY.findall(keywords[1][:300]))
    unexpected = re.search(r"unexpected keyword argument '(\w+)'", text)
    if unexpected:
        yield {unexpected[1]}
    yield {word for word in _QUOTED.findall(text[:400]) if word not in _FILLERS}


def is_named(load: Load, findings: Sequence[Finding]) -> bool:
    said = " ".join(f"{each.message} {each.where or ''}" for each in findings)
    if load.outcome in ("killed", "different"):
        return True
    return any(any(word in said for word in words) for words in causes(load))


# Scores


@dataclass(slots=True)
class Score:
    """Counts for one reader."""

    loads: int = 0
    bad: int = 0
    caught: int = 0
    named: int = 0
    false: int = 0
    undefined: int = 0
    grave: int = 0
    grave_caught: int = 0


def verdict_of(facts: Facts, target: Target) -> Verdict:
    policy = Policy(purpose=Purpose.DIAGNOSE, provides=frozenset())
    return Verdict(judge(facts, policy, target, None), target.name)


def is_refused(verdict: Verdict) -> bool:
    return any(finding.kind in ("incompatible", "corrupt") for finding in verdict.refusals)


def is_undefined(verdict: Verdict) -> bool:
    return {finding.rule for finding in verdict.refusals} <= {"MR401"}


def score(reader: Reader, facts: dict[str, Facts], misses: list[str]) -> Score:
    result = Score()
    for load in reader.loads:
        if load.file not in facts or load.outcome not in BAD | GOOD:
            continue
        verdict = verdict_of(facts[load.file], reader.target)
        refused = is_refused(verdict)
        result.loads += 1
        grave = load.outcome in ("killed", "different")
        result.bad += load.outcome in BAD
        result.grave += grave
        if load.outcome in BAD and refused:
            result.caught += 1
            result.grave_caught += grave
            if is_named(load, verdict.refusals):
                result.named += 1
            else:
                misses.append(told("not named", reader, load, verdict))
        elif load.outcome in BAD:
            misses.append(told("MISSED", reader, load, verdict))
        elif refused and is_undefined(verdict):
            result.undefined += 1
        elif refused:
            result.false += 1
            misses.append(told("FALSE REFUSAL", reader, load, verdict))
    return result


def told(what: str, reader: Reader, load: Load, verdict: Verdict) -> str:
    said = "; ".join(
        f"{each.rule} {each.severity} {each.message} [{each.where}]" for each in verdict.findings if each.severity is not Severity.INFO
    )
    return f"{what}: {load.file} read by {reader.name}\n    recorded: {load.outcome} {load.text[:700]}\n    we said:  {said[:700] or 'nothing'}"


def line(name: str, each: Score) -> str:
    def share(part: int, whole: int) -> str:
        return f"{part:5d}/{whole:<5d} {100 * part / whole if whole else 100:6.2f} %"

    return (
        f"{name:12s} {each.loads:6d}  caught {share(each.caught, each.bad)}  named {share(each.named, each.caught)}  "
        f"false {each.false:3d}  undefined {each.undefined:3d}  killed+different {each.grave_caught}/{each.grave}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--oracle", type=Path, default=ORACLE)
    parser.add_argument("--loads", type=Path, help="folder of READER.json, if not ORACLE/loads")
    parser.add_argument("--readers", default="")
    parser.add_argument("--misses", type=int, default=200, help="how many misses to print")
    parser.add_argument("--kind", default="", help="print only misses that begin with this")
    parser.add_argument("--minimum", type=float, default=99.0, help="share of bad loads that must be caught, in percent")
    options = parser.parse_args()
    paths = sorted((options.loads or options.oracle / "loads").glob("*.json"))
    readers = [read_loads(path) for path in paths if not options.readers or path.stem in options.readers.split(",")]
    files = sorted({load.file for reader in readers for load in reader.loads})
    files = [file for file in files if (options.oracle / "models" / file).exists()]
    begun = time.perf_counter()
    facts = inspect_all(options.oracle / "models", files)
    read_s = time.perf_counter() - begun
    begun = time.perf_counter()
    misses: list[str] = []
    scores = {reader.name: score(reader, facts, misses) for reader in readers}
    judged_s = time.perf_counter() - begun
    total = Score(*(sum(getattr(each, name) for each in scores.values()) for name in Score.__slots__))
    for miss in [miss for miss in misses if miss.startswith(options.kind)][: options.misses]:
        print(miss)
    print("\n" + Counter(miss.partition(":")[0] for miss in misses).__repr__())
    for name, each in scores.items():
        print(line(name, each))
    print(line("all", total))
    print(f"{len(files)} artifacts inspected in {read_s:.1f} s; {total.loads} (file, target) pairs judged in {judged_s:.1f} s")
    caught_enough = 100 * total.caught >= options.minimum * total.bad
    named_enough = 100 * total.named >= 95 * total.caught
    return 0 if caught_enough and named_enough and not total.false and total.grave == total.grave_caught else 1


if __name__ == "__main__":
    sys.exit(main())
