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
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    is_legacy = document.get(
        "legacy_keras", "tf-keras" in environment.distributions and document["reader"] == "tfkeras"
    )
    environment = replace(environment, legacy_keras=is_legacy or None)
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

_MEANINGS = (
    (
        r"bad marshal data|EOF read where|codeobject\.c|unknown opcode|no locals found|unexpected opcode",
        {"bytecode of Python"},
    ),
    (r"No model (config )?found|Cannot create group in read.?only", {"weights only"}),
    (
        r"File not found: filepath=|file signature not found|SavedModel file does not exist|accessible `.keras` zip",
        {"HDF5", "zip"},
    ),
    (r"File format not supported|Is a directory", {"SavedModel", "not read"}),
    (
        r"infer the shape of the Lambda|(?P<word>name '\w+' is not defined)|global '\w+'",
        {"Lambda's code", "bytecode of Python"},
    ),
    (
        r"arg 4 \(defaults\)|missing \d+ required|'(dict|str|list)' object is not callable",
        {"default values", "around it", "keyword-only"},
    ),
    (r"TrackedList", {"output_shape"}),
    (r"quantization_mode|convert_input|variable_dtype|Policy", {"dtype policy"}),
    (r"safe_mode=False|unsafe", {"safe_mode"}),
    (r"Invalid input shape|incompatible shape|Kernel shape must have the same length", {"batch_input_shape"}),
    (
        r"expected \d+ variables?, but received|objects could not be loaded|Layer count mismatch|layers into a model",
        {"weights", "bytecode of Python"},
    ),
    (r"Only input tensors may be passed", {"the operation"}),
    (r"Op type not registered|JSONDecodeError|VersionDef", {"graph", "TensorFlow"}),
    (r"get_tensor\(\) takes 3", {"get_tensor"}),
    (r"cannot contain character", {"in its name"}),
    (r"No cast function available", {"No cast function"}),
    (r"Missing required positional argument|Got 0 inputs for equation", {"saved without the tensors"}),
    (r"target variable and the shape of the target value", {"axis"}),
    (r"list index out of range", {"list index out of range"}),
)
"""What recorded messages mean, where they do not name it themselves: any of the words in a finding names it."""
_UNKNOWN = re.compile(
    r"(?:Unknown \w+(?: function)?: ?|Could not locate (?:class|function) |Cannot deserialize object of type |"
    r"parent module |"
    r"keyword argument |identifier: |positional arguments?: |arguments? passed to )[`'\"]?(?P<word>[A-Za-z_][\w.]*)"
)
_KEYWORDS = re.compile(r"[Uu]nrecognized keyword arguments[^{\[]*[{\[(]+(?P<keys>.*)", re.DOTALL)
_KEY = re.compile(r"'(\w+)'")
_QUOTED = re.compile(r"[`'\"<]([A-Za-z_][\w.>/:-]*)[`'\">]")
_FILLERS = frozenset(
    {"layer", "keras", "class_name", "config", "module", "name", "None", "builtins", "function", "str"}
)


def causes(load: Load) -> set[str]:
    """Words, any one of which in a finding names the recorded cause."""
    # Keras wraps the cause in the configuration of every layer around it; what it says itself comes last.
    text = f"{load.error}: {load.message.rpartition('Exception encountered: ')[2]}"
    words = set()
    for pattern, meaning in _MEANINGS:
        if re.search(pattern, text):
            words |= meaning
    words |= {match["word"].rstrip(".") for match in _UNKNOWN.finditer(text)} - {"function"}
    keywords = _KEYWORDS.search(text)
    if keywords:
        words |= set(_KEY.findall(keywords["keys"][:400]))
    if not words or words <= {"class", "function"}:
        words |= set(_QUOTED.findall(text))
    return words - _FILLERS


def is_named(load: Load, findings: Sequence[Finding]) -> bool:
    """Whether what we said names the cause; a message that was cut off before it came to the cause counts as named."""
    said = " ".join(f"{each.message} {each.where or ''}" for each in findings)
    is_wrapped = any(
        words in load.message for words in ("could not be deserialized properly", "Error when deserializing")
    )
    is_cut = is_wrapped and "Exception encountered" not in load.message
    return load.outcome in ("killed", "different") or is_cut or any(word in said for word in causes(load))


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
        f"{each.rule} {each.severity} {each.message} [{each.where}]"
        for each in verdict.findings
        if each.severity is not Severity.INFO
    )
    recorded = f"{load.outcome} {load.text[:700]}"
    read = f"{load.file} read by {reader.name}"
    return f"{what}: {read}\n    recorded: {recorded}\n    we said:  {said[:700] or 'nothing'}"


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
    parser.add_argument(
        "--minimum", type=float, default=99.0, help="share of bad loads that must be caught, in percent"
    )
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
    print(f"{len(files)} artifacts inspected in {read_s:.1f} s")
    print(f"{total.loads} (file, target) pairs judged in {judged_s:.1f} s")
    caught_enough = 100 * total.caught >= options.minimum * total.bad
    named_enough = 100 * total.named >= 95 * total.caught
    return 0 if caught_enough and named_enough and not total.false and total.grave == total.grave_caught else 1


if __name__ == "__main__":
    sys.exit(main())
