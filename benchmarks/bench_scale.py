"""How long each command takes at 10^5 versions over 10^3 models, against 10^3 versions, on both databases.

    python benchmarks/bench_scale.py [--versions 100000] [--turns 15] [--database PostgreSQL]

Both registries of a database are measured in turns, call by call, so that other work on the machine meets both alike.
The calls are the library's, in one process that is warm: the start of Python would hide what is measured.  The aim is
that every ratio is 1.5 at most.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.seed import seed
from tests.servers.postgres import postgres

from modelreg import Inspector, Registry, parse_filter

MODEL = "team7/model00007"
SOURCE = Path(__file__).resolve().parent.parent / "tests" / "models" / "tf220" / "plain.tflite"
SMALL = 1000


def _calls(inspector: Inspector) -> dict[str, Callable[[Registry], object]]:
    def push(registry: Registry) -> object:
        return registry.push(SOURCE, name=MODEL, environment="none", inspector=inspector)

    return {
        "list --limit 100": lambda registry: registry.list(limit=100),
        "list --after (half-way)": lambda registry: registry.list(limit=100, after="team5/model00005:1"),
        "list MODEL --limit 1": lambda registry: registry.list(MODEL, limit=1),
        "list --has lambda": lambda registry: registry.list(limit=20, matching=parse_filter(has=["lambda"])),
        "list --env 'keras<2.8'": lambda registry: registry.list(
            limit=20, matching=parse_filter(environments=["keras<2.8"])
        ),
        "list --format --has lambda": lambda registry: registry.list(
            limit=20, matching=parse_filter(formats=["keras-hdf5"], has=["lambda"])
        ),
        "list --meta ticket=500": lambda registry: registry.list(
            limit=20, matching=parse_filter(metadata=["ticket=500"])
        ),
        "resolve NAME": lambda registry: registry.resolve(MODEL),
        "resolve NAME@ALIAS": lambda registry: registry.resolve(f"{MODEL}@bench"),
        "show NAME": lambda registry: registry.show(MODEL, target="none"),
        "alias": lambda registry: registry.alias(f"{MODEL}:1", "bench"),
        "push": push,
    }


def compare(small: Registry, large: Registry, turns: int) -> list[tuple[str, float, float]]:
    """The medians of each call, in milliseconds."""
    rows = []
    with Inspector(expect_hdf5=False) as inspector:
        for registry in (small, large):
            registry.alias(f"{MODEL}:1", "bench")
        for name, call in _calls(inspector).items():
            taken: tuple[list[float], list[float]] = ([], [])
            for turn in range(turns + 1):
                for registry, times in zip((small, large), taken, strict=True):
                    begun = time.perf_counter()
                    call(registry)
                    if turn:  # the first warms up
                        times.append((time.perf_counter() - begun) * 1000)
            rows.append((name, median(taken[0]), median(taken[1])))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--versions", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--database", choices=("SQLite", "PostgreSQL"), action="append", help="only this one")
    given = parser.parse_args()
    print(f"| database | command | {SMALL:,} versions, ms | {given.versions:,} versions, ms | ratio |")
    print("|---|---|---|---|---|")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(postgres())
        for kind in given.database or ("SQLite", "PostgreSQL"):
            registries = []
            for count in (SMALL, given.versions):
                url = f"sqlite:///{folder}/{count}.db" if kind == "SQLite" else stack.enter_context(server.schema())
                storage = f"file://{folder}/{kind}{count}"
                seed(url, storage, count, 1000)
                registries.append(stack.enter_context(Registry.open(database_url=url, storage_url=storage)))
            for name, small, large in compare(registries[0], registries[1], given.turns):
                print(f"| {kind} | {name} | {small:.2f} | {large:.2f} | {large / small:.2f} |", flush=True)


if __name__ == "__main__":
    main()
