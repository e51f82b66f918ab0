"""Measures the bytecode reader on the standard libraries of real interpreters, and on mutated functions.

Run ``python tools/measure_bytecode.py --interpreters PYTHON [PYTHON ...]`` to read functions that each interpreter
compiled and marshalled itself: whether the true version is among the answers, how often the answer is exact, what is
ambiguous, how many expressions lift, and whether the lifted source compiles, in that interpreter, to the same code.
Run it with ``--mutations 100000`` for damaged functions: nothing but ``BytecodeError`` may come, in bounded time and
memory.  Both exit with 1 if a bar of acceptance is missed.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import functools
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from modelreg.inspect.bytecode import BytecodeError, StoredFunction, read_bytecode
from modelreg.inspect.bytecode.marshalled import MarshalError, parse_code
from modelreg.inspect.bytecode.values import Layout

DUMPER = Path(__file__).resolve().with_name("bytecode_worker.py")
INTERCHANGE_MAX = 0.001
INPUT_TIME_S_MAX = 2.0
MEMORY_BYTES_MAX = 100 * 2**20


@dataclass
class Tally:
    """Figures of one interpreter."""

    functions: int = 0
    contained: int = 0
    exact: int = 0
    wrong_single: int = 0
    ambiguous: int = 0
    not_interchangeable: int = 0
    bad: int = 0
    liftable: int = 0
    lifted: int = 0
    same: Counter[str] = field(default_factory=Counter)
    """How lifted single expressions compare with what they were lifted from."""
    statements: Counter[str] = field(default_factory=Counter)
    """The same for other functions, whose statements may have been spelled otherwise."""
    answers: Counter[tuple[str, ...]] = field(default_factory=Counter)
    seconds: float = 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interpreters", nargs="+", default=[], metavar="PYTHON")
    parser.add_argument("--functions", type=int, default=2000, help="functions of each interpreter (default: 2000)")
    parser.add_argument("--sources", type=Path, help="a folder to compile instead of each interpreter's own library")
    parser.add_argument("--mutations", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=0, help="print that many failures of each kind")
    arguments = parser.parse_args()
    good = True
    for python in arguments.interpreters:
        good &= measure(python, arguments)
    if arguments.mutations:
        good &= mutate(arguments)
    return 0 if good else 1


def measure(python: str, arguments: argparse.Namespace) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        dumped = Path(folder, "functions.jsonl")
        sources = [str(arguments.sources)] if arguments.sources else []
        run(python, "dump", str(dumped), str(arguments.functions), *sources)
        records = [json.loads(line) for line in dumped.read_text(encoding="utf-8").splitlines()]
        version, tally = records[0]["python"], Tally()
        sources_of: list[dict[str, object]] = []
        for record in records[1:]:
            found = read(base64.b64decode(record["code"]), tally)
            judge(found, version, record, tally, arguments.show)
            if record["expression"]:
                tally.liftable += 1
            if found.source is not None:
                tally.lifted += record["expression"]
                free = list(found.free_variables)
                sources_of.append({"source": found.source, "free": free, **record})
        compare(python, Path(folder), sources_of, tally, arguments.show)
    print(report(version, tally))
    return (
        tally.contained == tally.functions
        and not tally.wrong_single
        and not tally.same["different"]
        and tally.not_interchangeable <= INTERCHANGE_MAX * tally.functions
    )


def run(python: str, *arguments: str) -> None:
    subprocess.run([python, "-S", str(DUMPER), *arguments], check=True, timeout=3600)


def read(data: bytes, tally: Tally) -> StoredFunction:
    start = time.perf_counter()
    found = read_bytecode(data)
    tally.seconds += time.perf_counter() - start
    return found


def judge(found: StoredFunction, version: str, record: dict[str, str], tally: Tally, show: int) -> None:
    tally.functions += 1
    tally.contained += version in found.pythons
    tally.exact += found.pythons == (version,)
    tally.wrong_single += len(found.pythons) == 1 and found.pythons != (version,)
    tally.ambiguous += len(found.pythons) > 1
    tally.not_interchangeable += not found.interchangeable
    tally.bad += bool(found.bad_opcodes)
    tally.answers[found.pythons] += 1
    if (version not in found.pythons or found.bad_opcodes) and tally.bad <= show:
        print(f"{version}: {record['name']}: {found.pythons} {found.bad_opcodes}")
    elif not found.interchangeable and tally.not_interchangeable <= show:
        print(f"{version}: {record['name']}: {found.pythons} are not interchangeable")
    elif record["expression"] and found.source is None and tally.liftable - tally.lifted <= show:
        print(f"{version}: {record['name']}: not lifted: {record['expression']}")


def compare(python: str, folder: Path, sources: list[dict[str, object]], tally: Tally, show: int) -> None:
    """Let the interpreter itself compile the sources and compare the code."""
    if not sources:
        return
    lifted, answers = folder / "lifted.jsonl", folder / "answers.jsonl"
    lifted.write_text("".join(json.dumps(each) + "\n" for each in sources), encoding="utf-8")
    run(python, "compare", str(lifted), str(answers))
    for source, line in zip(sources, answers.read_text(encoding="utf-8").splitlines(), strict=True):
        answer = json.loads(line)
        counter = tally.same if source["expression"] else tally.statements
        counter[answer if answer.startswith("same") else "different"] += 1
        if (source["expression"] or show > 100) and not answer.startswith("same") and counter["different"] <= show:
            print(f"{source['name']}: {answer}: {source['source']}")


def report(version: str, tally: Tally) -> str:
    answers = ", ".join(f"{'/'.join(pythons)} {count}" for pythons, count in tally.answers.most_common(6))
    return (
        f"{version}: {tally.functions} functions; true version contained {tally.contained}, alone {tally.exact}, "
        f"wrong and alone {tally.wrong_single}, bad {tally.bad}, ambiguous {tally.ambiguous} (not interchangeable "
        f"{tally.not_interchangeable}); {answers}; {1000 * tally.seconds / max(tally.functions, 1):.2f} ms each; "
        f"single expressions {tally.liftable}, lifted {tally.lifted}: {dict(tally.same)}; others lifted: "
        f"{dict(tally.statements)}"
    )


@functools.cache
def instructions_of(data: bytes) -> tuple[int, int]:
    """Where the outermost instructions stand; those of Windows's blobs that do not parse are the bytes behind 30."""
    for layout in Layout:
        with contextlib.suppress(MarshalError):
            code = parse_code(data, layout).code.code
            return code.offset, code.offset + len(code.data)
    return 30, len(data)


def mutations(arguments: argparse.Namespace) -> Iterator[bytes]:
    folder = Path(__file__).resolve().parent.parent / "tests" / "unit" / "inspect" / "functions"
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    blobs = [
        base64.b64decode(function[-1])
        for document in documents
        for key in ("functions", "lambdas", "windows")
        for function in document.get(key, ())
    ]
    chance = random.Random(arguments.seed)
    for _ in range(arguments.mutations):
        data = bytearray(chance.choice(blobs))
        if chance.randrange(2):
            start, end = instructions_of(bytes(data))
            for _ in range(chance.randint(1, 6)):
                place = chance.randrange(start, end)
                data[place] = chance.choice(
                    (chance.randrange(256), chance.randrange(12), data[start + (place - start) // 2])
                )
            yield bytes(data)
            continue
        for _ in range(chance.randint(1, 8)):
            place = chance.randrange(len(data))
            match chance.randrange(4):
                case 0:
                    data[place] = chance.randrange(256)
                case 1:
                    data[place] ^= 1 << chance.randrange(8)
                case 2:
                    del data[place : place + chance.randint(1, 4)]
                    data += b"\0" * (not data)
                case 3:
                    data[place : place + 4] = chance.choice((b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0\0\0\0"))
        yield bytes(data)


def mutate(arguments: argparse.Namespace) -> bool:
    answers: Counter[str] = Counter()
    slowest = total = 0.0
    for data in mutations(arguments):
        start = time.perf_counter()
        try:
            found = read_bytecode(data)
            answers["told" if not found.bad_opcodes else "told, with bad instructions"] += 1
        except BytecodeError:
            answers["BytecodeError"] += 1
        seconds = time.perf_counter() - start
        slowest, total = max(slowest, seconds), total + seconds
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(
        f"{arguments.mutations} mutations: {dict(answers)}; slowest {1000 * slowest:.1f} ms, "
        f"mean {1000 * total / arguments.mutations:.2f} ms; memory {memory / 2**20:.0f} MiB at most"
    )
    return slowest < INPUT_TIME_S_MAX and memory < MEMORY_BYTES_MAX


if __name__ == "__main__":
    sys.exit(main())
