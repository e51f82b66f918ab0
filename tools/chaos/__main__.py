"""``make chaos``: run families of faults, print their tables, write them into ``docs/reliability.md``.

    python -m chaos [--only FAMILY ...] [--count N] [--seed N] [--workers N] [--break MISTAKE] [--write]

Exits with 1 if anything was lost or wrong, stayed behind, or broke a promise in another way.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from chaos import broken
from chaos.report import Options, Row, table, write

FAMILIES = ("syscalls", "kills", "lies", "database", "full", "clocks")


def run(name: str, options: Options) -> Iterator[Row]:
    """The rows of one family."""
    yield from import_module(f"chaos.{name}").run(options)


@contextmanager
def clean_surroundings() -> Iterator[None]:
    """No setting of whoever runs this, a home of its own, and the credentials that the test servers take."""
    from tests.servers.server import ACCESS_KEY, SECRET_KEY

    with tempfile.TemporaryDirectory(prefix="chaos-home-") as home:
        for variable in [name for name in os.environ if name.startswith(("MODELREG_", "AWS_"))]:
            del os.environ[variable]
        os.environ |= {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        os.environ["MODELREG_SIGN"] = "none"
        os.environ |= dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"), home)
        yield


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="chaos", description="Break a registry, and count what was lost.")
    parser.add_argument("--only", nargs="*", choices=FAMILIES, help="these families (default: all)")
    parser.add_argument("--count", type=int, help="how many faults (default: each family's own)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="processes at the same time")
    parser.add_argument("--break", dest="broken", choices=broken.MISTAKES, help="make this mistake on purpose")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/reliability.md")
    asked = parser.parse_args()
    bad = 0
    with clean_surroundings():
        for name in asked.only or FAMILIES:
            module, begun = import_module(f"chaos.{name}"), time.monotonic()
            options = Options(asked.count or module.DEFAULT_COUNT, asked.seed, asked.workers, asked.broken)
            rows = []
            print(f"\n## {module.TITLE}\n", flush=True)
            for row in run(name, options):
                rows.append(row)
                print(row.markdown(), flush=True)
                for problem in row.problems[:20]:
                    print(f"    {problem}", file=sys.stderr, flush=True)
            bad += sum(not row.is_good for row in rows)
            print(f"\n{table(rows)}\n\n{name}: {time.monotonic() - begun:.0f} s", flush=True)
            if asked.write and asked.broken is None:
                write(name, table(rows))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
