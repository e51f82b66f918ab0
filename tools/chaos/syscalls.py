"""Every system call on the registry's files, killed or failed in turn: in seven commands, two also with threads."""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from chaos import broken
from chaos.children import command, fork
from chaos.record import Record, audit_destination, audit_next_push, fingerprint
from chaos.report import Options, Row
from chaos.tracing import KILL, Point, befell_others, fired, points, traced
from modelreg import Inspector, Registry
from modelreg.client.several import SEVERAL

NAME = "syscalls"
TITLE = "System calls"
DEFAULT_COUNT = 700
OLD_DATABASE = Path(__file__).parents[2] / "tests" / "vectors" / "registry-0001.db"
OLD_TABLES = ("registry", "models", "versions", "files", "aliases")
PIECE = 25
_TOLD = re.compile(r"^(\S+:\d+) sha256:([0-9a-f]{64})$", re.MULTILINE)


@dataclass(slots=True)
class Ground:
    """A registry to break: ``home`` and what was acknowledged of it, the model to push, the folder to pull to."""

    folder: Path
    record: Record = field(default_factory=Record)
    pulled: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def destination(self) -> Path:
        return self.folder / "home" / "out"

    @property
    def environment(self) -> dict[str, str]:
        return {"MODELREG_HOME": str(self.home), "HOME": str(self.folder), "NO_COLOR": "1", "MODELREG_SIGN": "none"}


@dataclass(frozen=True, slots=True)
class Operation:
    """A command, and what to make before it and look at after it, beside the audit that all have.

    ``files`` is how many the model has that is pushed or pulled; where they are ``SEVERAL``, threads write them.
    """

    arguments: Callable[[Ground], Sequence[str]]
    has_registry: bool = True
    is_push: bool = False
    is_upgrade: bool = False
    files: int = 2

    @property
    def has_threads(self) -> bool:
        return self.files >= SEVERAL


def _push(ground: Ground) -> Sequence[str]:
    return ["push", str(ground.model), "--name", "fraud", "--alias", "latest"]


def _pull(ground: Ground) -> Sequence[str]:
    return ["pull", "fraud:1", "--out", str(ground.destination), "--full", "--target", "none"]


OPERATIONS: dict[str, Operation] = {
    "first push": Operation(lambda g: ["push", str(g.model), "--name", "fraud"], has_registry=False, is_push=True),
    "push": Operation(_push, is_push=True),
    "push of many files": Operation(_push, is_push=True, files=12),
    "pull": Operation(_pull),
    "pull of many files": Operation(_pull, files=12),
    "alias": Operation(lambda _: ["alias", "fraud:2", "production", "--expect", "1"]),
    "withdraw": Operation(lambda _: ["withdraw", "fraud:1", "--reason", "old", "--yes"]),
    "gc": Operation(lambda _: ["gc", "--yes"]),
    "db upgrade": Operation(lambda _: ["db", "upgrade"], has_registry=False, is_upgrade=True),
}


def run(options: Options) -> Iterator[Row]:
    """A row for each command, of ``count`` faults in all, spread over what could be broken."""
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        names = [name for name in OPERATIONS if OPERATIONS[name].is_push or not options.broken]
        found = [
            (name, point)
            for name in names
            for point in _points(name, Path(folder, name.replace(" ", "-")), options.broken)
        ]
    possible = {name: sum(each == name for each, _ in found) for name in OPERATIONS}
    chosen = sorted(chance.sample(range(len(found)), min(options.count, len(found))))
    pieces: list[tuple[str, list[Point]]] = []
    for name in OPERATIONS:
        mine = [found[at][1] for at in chosen if found[at][0] == name]
        pieces += [(name, mine[at : at + PIECE]) for at in range(0, len(mine), PIECE)]
    with ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn")) as pool:
        running = [(name, pool.submit(_piece, name, piece, options.broken)) for name, piece in pieces]
        for name in OPERATIONS:
            row = Row(f"`{name}`", remark=f"{possible[name]:,} ways to break it")
            for each, piece in running:
                if each == name:
                    row.add(piece.result())
            if row.operations:
                yield row


def _points(name: str, folder: Path, mistake: str | None) -> list[Point]:
    """Every way to break an operation, from a run that nothing befalls."""
    with Inspector(expect_hdf5=False) as inspector:
        ground = _prepare(name, folder, inspector)
    child = fork(broken.patched(mistake, command(OPERATIONS[name].arguments(ground), ground.environment)), folder)
    status, log = traced(child, threads=OPERATIONS[name].has_threads)
    if status != 0:
        raise RuntimeError(f"{name} failed with nothing broken: {child.errors}")
    return list(points(log, ground.home))


def _piece(name: str, piece: Sequence[Point], mistake: str | None) -> Row:
    """Some points of one operation, each on a registry of its own."""
    row = Row(name)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder, Inspector(expect_hdf5=False) as inspector:
        template = _prepare(name, Path(folder, "template"), inspector)
        for number, point in enumerate(piece):
            ground = Ground(Path(folder, str(number)), pulled=template.pulled)
            ground.record = Record(dict(template.record.pushes), list(template.record.started))
            shutil.copytree(template.folder, ground.folder)
            os.environ["XDG_CONFIG_HOME"] = str(ground.folder)  # who works on one copy has never seen another
            _break(name, point, ground, row, inspector, mistake)
            shutil.rmtree(ground.folder)
    return row


def _prepare(name: str, folder: Path, inspector: Inspector) -> Ground:
    """Two versions, an alias, two orphans, and a model that is to be pushed next."""
    ground = Ground(folder)
    ground.home.mkdir(parents=True)
    _write_model(ground.model, OPERATIONS[name].files, seed=1)
    (folder / "next.bin").write_bytes(b"other bytes: the same ones would heal what the model left half-done")
    if OPERATIONS[name].is_upgrade:
        shutil.copy(OLD_DATABASE, ground.home / "registry.db")
    if not OPERATIONS[name].has_registry:
        return ground
    with Registry.open(home=ground.home) as registry:
        for version in (1, 2):
            path = folder / f"before{version}"
            _write_model(path, OPERATIONS[name].files, seed=version + 10)
            pushed = registry.push(path, name="fraud", environment="none", inspector=inspector)
            assert pushed.digest is not None
            ground.record.acknowledge(pushed.reference, pushed.digest, fingerprint(path))
            ground.pulled = ground.pulled or fingerprint(path)
        registry.alias("fraud:1", "production")
        for orphan in (b"the first orphan", b"the second"):
            registry.store.put(orphan)
    return ground


def _write_model(folder: Path, files: int, seed: int) -> None:
    (folder / "assets").mkdir(parents=True)
    (folder / "weights.bin").write_bytes(random.Random(seed).randbytes(30_000))
    for number in range(1, files):
        (folder / "assets" / f"vocabulary{number}.txt").write_text(f"a\nb\n{seed}\n{number}\n")


def _break(name: str, point: Point, ground: Ground, row: Row, inspector: Inspector, mistake: str | None) -> None:
    """Run the operation with one fault, and see what is left."""
    operation, problems = OPERATIONS[name], len(row.problems)
    work = broken.patched(mistake, command(operation.arguments(ground), ground.environment))
    rows_before = _old_rows(ground.home / "registry.db") if operation.is_upgrade else None
    child = fork(work, ground.folder / "child")
    status, log = traced(child, point, threads=operation.has_threads)
    row.operations += 1
    row.faults += fired(log, status, point)
    if operation.is_push:
        ground.record.started.append(fingerprint(ground.model))
        for reference, digest in _TOLD.findall(child.output):
            ground.record.acknowledge(reference, digest, fingerprint(ground.model))
    is_told = status >= 0 and "Traceback" not in child.errors and (not status or "error:" in child.errors)
    if point.fault != KILL and not is_told and not (operation.has_threads and befell_others(log, ground.folder)):
        row.problems.append(f"exit {status}: {child.errors.strip()[-200:]!r}")
    audit_destination(ground.destination, None, ground.pulled, row)
    shutil.rmtree(ground.destination, ignore_errors=True)
    if rows_before is not None:
        _audit_upgrade(ground, rows_before, row)
    else:
        with Registry.open(home=ground.home) as registry:
            audit_next_push(registry, ground.folder / "next.bin", ground.record, row, inspector)
            ground.record.audit(registry, row)
            _audit_marks(name, status, registry, row)
    row.problems[problems:] = [f"{name}, {point}: {problem}" for problem in row.problems[problems:]]


def _audit_marks(name: str, status: int, registry: Registry, row: Row) -> None:
    """The alias is where it was or where it was to go, and there if that was acknowledged; so for a withdrawal."""
    if name == "alias":
        found = registry.resolve("fraud@production").version
        if found != 2 and (status == 0 or found != 1):
            row.problems.append(f"exit {status}, and the alias points at {found}")
    if name == "withdraw" and status == 0 and registry.resolve("fraud:1").withdrawn_at is None:
        row.problems.append("exit 0, and the version is not withdrawn")


def _audit_upgrade(ground: Ground, before: object, row: Row) -> None:
    """Upgrade again: it succeeds, and every row of the old database is there as it was."""
    child = fork(command(["db", "upgrade"], ground.environment), ground.folder / "again")
    child.go()
    status = child.wait()
    if status:
        row.problems.append(f"the next upgrade: exit {status}, {child.errors[-200:]!r}")
    if _old_rows(ground.home / "registry.db") != before:
        row.lost += 1
        row.problems.append("the upgrade changed rows")


def _old_rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """The rows of the tables that the first schema had; SQLite undoes what a dead upgrade had begun."""
    connection = sqlite3.connect(os.fspath(path))
    try:
        return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in OLD_TABLES}
    finally:
        connection.close()
