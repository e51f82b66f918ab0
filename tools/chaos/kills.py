"""kill -9 at random moments: writers, a sweep and a puller beside each other, begun again when they are killed."""

from __future__ import annotations

import os
import random
import selectors
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from chaos import broken, places
from chaos.children import Child, fork
from chaos.places import Place
from chaos.record import Record, fingerprint
from chaos.report import Options, Row
from modelreg import Inspector, NotFoundError, RefusedError

NAME = "kills"
TITLE = "Kills"
DEFAULT_COUNT = 210
ROLES = ("writer", "writer", "writer", "sweeper", "puller")
PAUSE_S = 0.6
"""The longest time that a sweep or a pull is let live before its kill."""
FIRST_GUESS_S = 0.5
"""How long a push takes, until some have been seen."""
REST_S = 0.2
"""After a sweep and a pull: without it they would take the machine from the writers."""
STUCK_S = 120.0


@dataclass(slots=True)
class Worker:
    """One child, what it said and has not been read, and its role."""

    role: str
    child: Child
    pipe: int
    unread: bytes = b""
    is_ready: bool = False
    pushing_since: float | None = None
    seen: list[str] = field(default_factory=list)


def run(options: Options) -> Iterator[Row]:
    """A row for each place, of half the kills each."""
    for number, place in enumerate((places.files, places.servers)):
        with tempfile.TemporaryDirectory(prefix="chaos-") as name, place(Path(name)) as there:
            count = (options.count + 1 - number) // 2
            yield _Soak(there, Path(name, "soak"), options).run(count)


class _Soak:
    """One registry, its workers, and the record that is kept outside of them."""

    def __init__(self, place: Place, folder: Path, options: Options) -> None:
        self._place = place
        self._folder = folder
        self._mistake = options.broken
        self._chance = random.Random(f"{options.seed}/{place.name}")
        self._record = Record()
        self._row = Row(place.name)
        self._waiting = selectors.DefaultSelector()
        self._begun = 0
        self._pulls = self._sweeps = 0
        self._torn: set[str] = set()
        self._took_s = deque([FIRST_GUESS_S], maxlen=15)

    def run(self, count: int) -> Row:
        """Kill ``count`` times, then look."""
        with self._place.open():
            pass
        workers = [self._start(role) for role in ROLES]
        try:
            for _ in range(count):
                victim = self._chance.choice(workers)
                self._await_moment(victim)
                self._end(victim)
                self._row.faults += 1
                workers[workers.index(victim)] = self._start(victim.role)
        finally:
            for worker in workers:
                self._end(worker)
        with self._place.open() as registry:
            listed = len(registry.list())
            self._record.audit(registry, self._row)
        self._row.operations = len(self._record.started) + self._pulls + self._sweeps
        self._row.remark = f"{listed:,} versions, {self._pulls:,} pulls, {self._sweeps:,} sweeps"
        return self._row

    def _start(self, role: str) -> Worker:
        self._begun += 1
        folder, seed = self._folder / str(self._begun), self._chance.random()
        read, write = os.pipe()

        def work() -> int:
            os.close(read)
            work_of = {"writer": _write, "sweeper": _sweep, "puller": _pull}[role]
            return broken.patched(self._mistake, lambda: work_of(self._place, folder, seed, write))()

        worker = Worker(role, fork(work, folder), read)
        os.close(write)
        os.set_blocking(read, False)
        self._waiting.register(read, selectors.EVENT_READ, worker)
        worker.child.go()
        return worker

    def _await_moment(self, victim: Worker) -> None:
        """A writer is killed at a random moment from the begin of a push to somewhat behind its end."""
        victim.is_ready, until = False, time.monotonic() + STUCK_S
        while not victim.is_ready:
            if time.monotonic() > until:
                raise RuntimeError(f"a {victim.role} did not begin: {victim.child.errors}")
            self._listen(0.005)
        longest_s = 1.2 * median(self._took_s) if victim.role == "writer" else PAUSE_S
        self._listen(self._chance.random() * longest_s)

    def _listen(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            for key, _ in self._waiting.select(left):
                if not self._hear(key.data):
                    key.data.is_ready = True  # it has ended by itself, which _end will tell
                    time.sleep(min(left, 0.01))

    def _hear(self, worker: Worker) -> bool:
        """Read what a worker said; ``False`` at its end."""
        said = os.read(worker.pipe, 65536)
        *lines, worker.unread = (worker.unread + said).split(b"\n")
        for line in lines:
            self._note(worker, line.decode())
        return bool(said)

    def _note(self, worker: Worker, line: str) -> None:
        what, *words = line.split()
        if what == "pushing":
            worker.is_ready, worker.pushing_since = True, time.monotonic()
            self._record.started.append({words[0]: words[1]})
        elif what == "pushed":
            assert worker.pushing_since is not None
            self._took_s.append(time.monotonic() - worker.pushing_since)
            self._record.acknowledge(words[0], words[1], {words[2]: words[3]})
        elif what == "pulling":
            worker.is_ready, worker.seen = True, words
        elif what == "sweeping":
            worker.is_ready = True
        elif what == "pulled":
            self._pulls += 1
            self._look_at(Path(words[0]))
        elif what == "torn" and words[0] not in self._torn:
            self._torn.add(words[0])
            self._row.lost += 1
            self._row.problems.append(f"{words[0]} was listed and not whole")
        elif what == "swept":
            self._sweeps += 1

    def _look_at(self, destination: Path) -> None:
        """A destination that is there holds what somebody pushed."""
        if destination.exists() and fingerprint(destination) not in self._record.started:
            self._row.wrong += 1
            self._row.problems.append(f"{destination.name} holds other bytes")

    def _end(self, worker: Worker) -> None:
        worker.child.kill()
        status = worker.child.wait()
        os.set_blocking(worker.pipe, True)
        while self._hear(worker):
            pass
        self._waiting.unregister(worker.pipe)
        os.close(worker.pipe)
        if status != -9:
            self._row.problems.append(f"a {worker.role} ended with {status}: {worker.child.errors.strip()[-300:]!r}")
        for destination in worker.seen:
            self._look_at(Path(destination))


def _tell(pipe: int, *words: object) -> None:
    os.write(pipe, (" ".join(map(str, words)) + "\n").encode())


def _write(place: Place, folder: Path, seed: float, pipe: int) -> int:
    """Push new bytes for ever; say so before and after."""
    chance = random.Random(seed)
    with place.open() as registry, Inspector(expect_hdf5=False) as inspector:
        while True:
            path = folder / "model.bin"
            path.write_bytes(chance.randbytes(chance.randrange(1, 60_000)))
            (sha256,) = fingerprint(path).values()
            _tell(pipe, "pushing", path.name, sha256)
            pushed = registry.push(path, name="fraud", aliases=["latest"], environment="none", inspector=inspector)
            _tell(pipe, "pushed", pushed.reference, pushed.digest, path.name, sha256)


def _sweep(place: Place, _folder: Path, _seed: float, pipe: int) -> int:
    with place.open() as registry:
        while True:
            _tell(pipe, "sweeping")
            registry.gc(even_if_empty=True)
            _tell(pipe, "swept")
            time.sleep(REST_S)


def _pull(place: Place, folder: Path, _seed: float, pipe: int) -> int:
    """Pull the newest version for ever, each time to a new place."""
    turn = 0
    with place.open() as registry:
        while True:
            destination = folder / str(turn)
            _tell(pipe, "pulling", destination)
            try:
                registry.pull("fraud", destination, target="none")
            except NotFoundError:
                time.sleep(0.05)
                continue
            except RefusedError as error:
                _tell(pipe, "torn", error.message.split()[0])
                time.sleep(REST_S)
                continue
            _tell(pipe, "pulled", destination)
            turn += 1
            time.sleep(REST_S)
