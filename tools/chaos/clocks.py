"""Clocks that are wrong by years: of whoever pushes, sweeps and pulls, each by another amount.

The clock is moved within each process, by a ``datetime`` and a ``time.time`` of its own (Python reads the kernel's
through the vDSO, where strace cannot reach it); what the kernel stamps on files stays right.
"""

from __future__ import annotations

import datetime as dt
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from chaos import places
from chaos.children import fork
from chaos.places import Place
from chaos.record import Record, fingerprint
from chaos.report import Options, Row
from modelreg import Inspector, ModelregError

NAME = "clocks"
TITLE = "Clocks"
DEFAULT_COUNT = 12
ACCURACY_S = 120
YEARS = (-50, -7, -1, 1, 7, 60)


def run(options: Options) -> Iterator[Row]:
    """A row for SQLite and a folder; one for servers, where S3 itself refuses a clock that is wrong by 15 minutes."""
    for place, scale in ((places.files, 365 * 86400), (places.servers, 60)):
        with tempfile.TemporaryDirectory(prefix="chaos-") as name, place(Path(name)) as there:
            row, record = Row(there.name), Record()
            row.remark = (
                "wrong by up to 60 years" if scale > 60 else "wrong by minutes; by years, S3 refuses and says so"
            )
            chance = random.Random(options.seed)
            with there.open():
                pass
            for turn in range(options.count):
                wrong_s = chance.choice(YEARS) * scale // (1 if scale > 60 else 6)
                _turn(there, Path(name, str(turn)), wrong_s, record, row)
            if scale == 60:
                _refused(there, Path(name, "refused"), row)
            with there.open() as registry:
                record.audit(registry, row)
            yield row


def _turn(place: Place, folder: Path, wrong_s: int, record: Record, row: Row) -> None:
    """A push, a sweep and a pull by a process whose clock is off."""
    folder.mkdir()
    model = folder / "model.bin"
    model.write_bytes(random.Random(str(folder)).randbytes(10_000))
    record.started.append(fingerprint(model))

    def work() -> int:
        _move_clock(wrong_s)
        with place.open() as registry, Inspector(expect_hdf5=False) as inspector:
            pushed = registry.push(model, name="fraud", environment="none", inspector=inspector)
            registry.gc(even_if_empty=True)
            registry.pull(pushed.reference, folder / "out", target="none")
            registry.alias(pushed.reference, "latest")
            print(pushed.reference, pushed.digest, flush=True)
        return 0

    status, child = _ran(work, folder)
    row.operations += 4
    row.faults += 1
    if status:
        row.problems.append(f"{wrong_s} s: {child.strip()[-200:]!r}")
        return
    reference, digest = child.split()
    record.acknowledge(reference, digest, fingerprint(model))
    if fingerprint(folder / "out") != fingerprint(model):
        row.wrong += 1
    with place.open() as registry:
        told = dt.datetime.fromisoformat(registry.resolve(reference).created_at)
    if abs((told - dt.datetime.now(dt.UTC)).total_seconds() - wrong_s) > ACCURACY_S:
        row.problems.append(f"the clock was not moved: {told}")


def _refused(place: Place, folder: Path, row: Row) -> None:
    """A clock that is wrong by years: S3 refuses the signature, and the error says what is wrong."""

    def work() -> int:
        _move_clock(YEARS[-1] * 365 * 86400)
        try:
            with place.open():
                pass
        except ModelregError as error:
            print(error.message, error.hint, flush=True)
            return error.exit_status
        return 0

    status, said = _ran(work, folder)
    row.operations += 1
    row.faults += 1
    if status != 1 or "clock" not in said:
        row.problems.append(f"exit {status}: {said!r}")


def _ran(work: Callable[[], int], folder: Path) -> tuple[int, str]:
    child = fork(work, folder / "child")
    child.go()
    status = child.wait()
    return status, child.output or child.errors


def _move_clock(wrong_s: int) -> None:
    """From here on this process believes another time, in every module that asks for it by these names."""
    import sys

    clock, off = time.time, dt.timedelta(seconds=wrong_s)

    class Moved(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Moved:
            return cls.fromtimestamp(clock(), tz) + off

        @classmethod
        def utcnow(cls) -> Moved:
            return cls.now(dt.UTC).replace(tzinfo=None)

    genuine = dt.datetime
    time.time = lambda: clock() + wrong_s
    import botocore.auth
    import botocore.compat

    for module in list(sys.modules.values()):
        if getattr(module, "datetime", None) is genuine and module is not dt:
            module.datetime = Moved  # type: ignore[attr-defined]
    for module in (botocore.auth, botocore.compat):
        if hasattr(module, "get_current_datetime"):
            module.get_current_datetime = lambda remove_tzinfo=True: (  # type: ignore[attr-defined]
                Moved.utcnow() if remove_tzinfo else Moved.now(dt.UTC)
            )
