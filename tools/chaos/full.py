"""A place that is full, read-only or limited: the store, the database or the destination, each by itself.

The small disks are file systems in memory of a name space of our own (``unshare -rm``), which needs no right of root
where users may have name spaces.  A quota is the limit of a file's size that ``setrlimit`` sets.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.places import Place
from chaos.record import Record, fingerprint
from chaos.report import Options, Row
from modelreg import Inspector, ModelregError, Registry

NAME = "full"
TITLE = "A full place"
DEFAULT_COUNT = 6
DISK_BYTES = 8 * 1024 * 1024
PLACES = ("store", "database", "destination")
SIZE_LIMIT = "limited file size"
"""It holds for a process, whatever it writes to: in the row of the store the database may be what it befalls."""
CASES = (
    *((limit, place) for limit in ("full disk", "read-only") for place in PLACES),
    (SIZE_LIMIT, "store"),
    (SIZE_LIMIT, "destination"),
)


@dataclass(frozen=True, slots=True)
class Case:
    """What is wrong with which place."""

    limit: str
    place: str


def run(options: Options) -> Iterator[Row]:
    """A row for each limit of each place, at ``count`` levels."""
    for limit, place in CASES:
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            wanted = ["unshare", "-rm", sys.executable, "-m", "chaos.full", limit, place, folder, str(options.count)]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            done = subprocess.run(wanted, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{limit}, {place}: {done.stderr[-2000:]}")
            yield Row(**json.loads(done.stdout.splitlines()[-1]))


def _inside(case: Case, folder: Path, count: int) -> Row:
    """The case at ``count`` levels, within a name space where small disks can be mounted."""
    row = Row(f"{case.limit}: {case.place}")
    with Inspector(expect_hdf5=False) as inspector:
        for level in range(count):
            _one(case, folder / str(level), level / count, inspector, row)
    row.remark = "; ".join(sorted(set(row.remark.split("; ")) - {""}))
    return row


def _one(case: Case, folder: Path, level: float, inspector: Inspector, row: Row) -> None:
    places = {name: folder / name for name in PLACES}
    for path in places.values():
        path.mkdir(parents=True)
    small = places[case.place]
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", small], check=True)
    there = Place("small disks", f"sqlite:///{places['database']}/registry.db", f"file://{places['store']}/store")
    record, problems = Record(), len(row.problems)
    first, second = _model(folder, "first", 200_000), _model(folder, "second", 1_500_000)
    with there.open() as registry:
        _push(registry, first, record, inspector)
        _push(registry, second, record, inspector)
    third = _model(folder, "third", 1_700_000)
    record.started.append(fingerprint(third))
    out = places["destination"] / "out"
    with _limited(case, small, level):
        row.operations += 1
        try:
            with there.open() as registry:
                if case.place == "destination":
                    registry.pull("fraud:2", out, target="none")
                else:
                    _push(registry, third, record, inspector)
        except ModelregError as error:
            row.faults += 1
            _judge(error, folder if case.limit == SIZE_LIMIT else small, row)
        else:
            if case.limit == "read-only" or (case.limit == "full disk" and not level):
                row.problems.append("it was full, and the command says that all is well")
    if out.exists() and fingerprint(out) != fingerprint(second):
        row.wrong += 1
    row.leftovers += sum(path != out for path in out.parent.iterdir())
    with there.open() as registry:  # there is space again
        _push(registry, third, record, inspector)
        registry.pull("fraud:2", folder / "again", target="none")
        record.audit(registry, row)
    subprocess.run(["umount", small], check=True)
    row.problems[problems:] = [f"level {level:.2f}: {problem}" for problem in row.problems[problems:]]


def _judge(error: ModelregError, place: Path, row: Row) -> None:
    """Exit 1, a hint, and a message that names the place."""
    row.remark = "; ".join(filter(None, [row.remark, type(error).__name__]))
    if error.exit_status != 1:
        row.problems.append(f"exit {error.exit_status}: {error.message[:200]}")
    if not error.hint:
        row.problems.append(f"no hint: {error.message[:200]}")
    if str(place) not in error.message:
        row.problems.append(f"the place is not named: {error.message[:200]}")


@contextmanager
def _limited(case: Case, small: Path, level: float) -> Iterator[None]:
    """The limit, as far as ``level`` says; it is over at the end."""
    ballast = small / "ballast"
    if case.limit == "full disk":
        room = os.statvfs(small)
        free = room.f_bavail * room.f_frsize
        need = 200_000 if case.place == "database" else 1_500_000
        ballast.write_bytes(bytes(max(0, free - int(level * need) // 4096 * 4096)))
    elif case.limit == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    else:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096 + int(level * 1_000_000), before[1]))
    try:
        yield
    finally:
        if case.limit == "full disk":
            ballast.unlink()
        elif case.limit == "read-only":
            subprocess.run(["mount", "-o", "remount,rw", small], check=True)
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _model(folder: Path, name: str, size_bytes: int) -> Path:
    path = folder / f"{name}.bin"
    path.write_bytes(os.urandom(size_bytes))
    return path


def _push(registry: Registry, model: Path, record: Record, inspector: Inspector) -> None:
    pushed = registry.push(model, name="fraud", environment="none", inspector=inspector)
    assert pushed.digest is not None
    record.acknowledge(pushed.reference, pushed.digest, fingerprint(model))


if __name__ == "__main__":
    from dataclasses import asdict

    limit, place, folder, count = sys.argv[1:]
    print(json.dumps(asdict(_inside(Case(limit, place), Path(folder), int(count)))))
