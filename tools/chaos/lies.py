"""A store that lies and a network that fails: a proxy before real S3 servers, and pushes and pulls through it."""

from __future__ import annotations

import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from tests.servers.proxy import Answer, Proxy, Request, honest, proxy_before
from tests.servers.server import S3Server

from chaos.lying import DAMAGES, LISTS, WRITES, Lie, failing_half, failing_mostly
from chaos.places import s3_server
from chaos.record import Record, fingerprint
from chaos.report import Options, Row
from modelreg import Inspector, ModelregError, Registry, load_settings
from modelreg.db import migrate
from modelreg.db.session import Session
from modelreg.store.retry import Retry, RetryPolicy
from modelreg.store.s3 import S3Store
from modelreg.store.s3_bucket import Bucket, Timeouts
from modelreg.store.s3_url import parse_s3_url

NAME = "lies"
TITLE = "A store that lies"
DEFAULT_COUNT = 1
SERVERS = ("seaweedfs", "juicefs")
SIZE_BYTES = 600_000
"""Three chunks, which are one ranged request."""
PARTS_SIZE_BYTES = 8 * 1024 * 1024 + 12345
"""More than one part of an upload."""
QUICK = RetryPolicy(attempts=10, timeout_s=60.0, wait_initial_s=0.01, wait_max_s=0.2, wait_jitter_s=0.01)
"""As many attempts as a user has, and shorter waits between them."""
BRIEF = replace(QUICK, attempts=3)
"""For faults that each cost a time-out."""
IMPATIENT = Timeouts(connect_s=5.0, read_s=1.0, stall_s=0.5, stall_bytes=64 * 1024)
"""For the same ones; the others have a user's, so that a busy machine is not taken for a fault."""
REQUESTS_MAX = 300
"""Of one command: a bound that ten attempts for each of some twenty requests stay below."""
ENDS_S = 90.0
FORGOTTEN = "put acknowledged and forgotten"
"""It is noticed, and not repeated: a server that forgets what it acknowledged is to be told, not helped."""
SLOW = ("late", "slow drip")
OF_PARTS = (
    "part",
    "complete",
    "acknowledgement of a part",
    "acknowledgement of a begun",
    "acknowledgement of complete",
)


@dataclass(frozen=True, slots=True)
class Case:
    """A lie, the command that is told it, and whether it may fail."""

    lie: Lie
    command: str
    may_fail: bool

    @property
    def name(self) -> str:
        return f"{self.command}: {self.lie.name}"


def cases() -> Iterator[Case]:
    """Every lie: of reads once for each range and always, of writes once and always, of lists, and of chance."""
    for lie in DAMAGES:
        yield Case(lie.once(), "pull", may_fail=False)
        yield Case(lie.always(), "pull", may_fail=True)
    for lie in WRITES:
        yield Case(lie.once(), "push", may_fail=lie.name == FORGOTTEN)
        yield Case(lie.always(), "push", may_fail=True)
    for lie in LISTS:
        yield Case(lie.always(), "gc", may_fail=True)
    for command in ("push", "pull"):
        yield Case(failing_half(), command, may_fail=False)
        yield Case(failing_mostly(), command, may_fail=True)


def run(options: Options) -> Iterator[Row]:
    """A row for each lie, told by every server ``count`` times."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        folder = Path(name)
        stands: list[_Stand] = []
        try:
            stands.extend(_Stand(server, folder) for server in SERVERS)
            for case in cases():
                row = Row(case.name)
                turns = range(options.seed, options.seed + options.count)
                remarks = [stand.tell(case, seed, row) for stand in stands for seed in turns]
                row.remark = ", ".join(dict.fromkeys(remarks))
                yield row
        finally:
            for stand in stands:
                stand.close()


class _Stand:
    """A server, a proxy before it, and a registry behind that with one version in it, of two files."""

    def __init__(self, name: str, folder: Path) -> None:
        self._stack = ExitStack()
        self._folder = folder / f"{name}-stand"
        self._folder.mkdir()
        self._server: S3Server = self._stack.enter_context(s3_server(name, folder))
        self._proxy: Proxy = self._stack.enter_context(proxy_before(self._server.endpoint))
        self._inspector = self._stack.enter_context(Inspector(expect_hdf5=False))
        self._turn = 0

    def close(self) -> None:
        """End the server."""
        self._stack.close()

    def tell(self, case: Case, seed: int, row: Row) -> str:
        """Tell one lie to one command, on a registry of its own; counts into ``row``, returns how it ended."""
        self._turn += 1
        folder, record = self._folder / str(self._turn), Record()
        folder.mkdir()
        problems = len(row.problems)
        model = self._model(folder / "model", seed, SIZE_BYTES)
        with self._registry(folder, case) as registry:
            self._push(registry, model, record)
            size_bytes = PARTS_SIZE_BYTES if case.lie.name.startswith(OF_PARTS) else SIZE_BYTES
            other = self._model(folder / "other", seed + 1000, size_bytes)
            registry.store.put(b"an orphan")
            lock, fired = threading.Lock(), [0]

            def fault(request: Request, ask: Callable[[], Answer]) -> Answer | None:
                if not case.lie.matches(request):
                    return ask()
                with lock:
                    is_told = case.lie.is_told(request, seed)
                    fired[0] += is_told
                return case.lie.tell(request, ask) if is_told else ask()

            case.lie.reset()
            self._proxy.seen.clear()
            self._proxy.fault = fault
            begun = time.monotonic()
            try:
                ended = self._run(registry, case.command, folder / "out", other, record)
            finally:
                self._proxy.fault = honest
            self._judge(case, ended, time.monotonic() - begun, fired[0], row)
            row.operations += 1
            row.faults += fired[0]
            self._look_at(folder / "out", fingerprint(model), row)
        with self._registry(folder, case) as registry:
            record.started.append(fingerprint(other))
            self._push(registry, model, record)  # and now that it is honest again
            record.audit(registry, row)
        row.problems[problems:] = [f"{self._server.name}: {problem}" for problem in row.problems[problems:]]
        return "told" if ended else "survived"

    def _model(self, path: Path, seed: int, size_bytes: int) -> Path:
        path.mkdir()
        (path / "weights.bin").write_bytes(random.Random(seed).randbytes(size_bytes))
        (path / "vocabulary.txt").write_bytes(random.Random(seed + 1).randbytes(2000))
        return path

    def _registry(self, folder: Path, case: Case) -> Registry:
        """Opened by hand: a user's attempts, but shorter waits and time-outs."""
        url = self._server.through(self._proxy.endpoint).url(f"lies/{self._turn}")
        settings = load_settings({"database_url": f"sqlite:///{folder}/registry.db", "storage_url": url})
        session = Session(settings.database_url.value)
        migrate.require_current(session)
        is_slow = case.lie.name.startswith(SLOW)
        bucket = Bucket(parse_s3_url(url), IMPATIENT) if is_slow else Bucket(parse_s3_url(url))
        store = S3Store(bucket, Retry(BRIEF if is_slow else QUICK))
        store.open_format(create=True)
        return Registry(settings, store, session)

    def _push(self, registry: Registry, model: Path, record: Record) -> None:
        pushed = registry.push(model, name="fraud", environment="none", inspector=self._inspector)
        assert pushed.digest is not None
        record.acknowledge(pushed.reference, pushed.digest, fingerprint(model))

    def _run(self, registry: Registry, command: str, out: Path, other: Path, record: Record) -> ModelregError | None:
        """Run the command; the error that it ended with."""
        try:
            if command == "push":
                self._push(registry, other, record)
            elif command == "pull":
                registry.pull("fraud:1", out, target="none")
            else:
                registry.gc()
        except ModelregError as error:
            return error
        return None

    def _judge(self, case: Case, ended: ModelregError | None, took_s: float, fired: int, row: Row) -> None:
        if not fired:
            row.problems.append("the fault did not come")
        if ended is not None and not case.may_fail:
            row.problems.append(f"failed: {ended.message[:200]}")
        if ended is not None and not (ended.message and ended.exit_status in (1, 8)):
            row.problems.append(f"exit {ended.exit_status}: {ended.message[:200]!r}")
        if len(self._proxy.seen) > REQUESTS_MAX or took_s > ENDS_S:
            row.problems.append(f"{len(self._proxy.seen):,} requests in {took_s:.0f} s")

    def _look_at(self, out: Path, wanted: dict[str, str], row: Row) -> None:
        if out.exists() and fingerprint(out) != wanted:
            row.wrong += 1
            row.problems.append("the pull placed other bytes")
