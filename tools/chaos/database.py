"""The database goes: before, during and after the commit of a push, for a while or for good."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.servers.cutting_proxy import Proxy, cutting_proxy
from tests.servers.postgres import Server, postgres

from chaos.record import Record, fingerprint
from chaos.report import Options, Row
from modelreg import Inspector, ModelregError, NotFoundError, Registry

NAME = "database"
TITLE = "The database goes"
DEFAULT_COUNT = 5
_ASK = re.compile(r"modelreg show (\S+@sha256:[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Case:
    """``cuts`` befall connections in turn at their commits; with ``is_gone`` nobody answers from the first cut on."""

    name: str
    cuts: tuple[str, ...] = ()
    is_gone: bool = False
    wanted: str = "pushed"


CASES = (
    Case("cut before the commit", ("before",)),
    Case("cut after the commit, its answer lost", ("after",)),
    Case("cut before, then after the commit", ("before", "after")),
    Case("cut before the commit three times", ("before", "before", "before")),
    Case("cut before the commit, gone for a while", ("before",), is_gone=True, wanted="not pushed"),
    Case("cut after the commit, gone for a while", ("after",), is_gone=True, wanted="pushed"),
)


def run(options: Options) -> Iterator[Row]:
    """A row for each case, ``count`` times; then one where the server itself dies, and one where it is not there."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as name, ExitStack() as stack:
        server = stack.enter_context(postgres())
        inspector = stack.enter_context(Inspector(expect_hdf5=False))
        assert server.port is not None
        for number, case in enumerate(CASES):
            row = Row(case.name)
            for turn in range(options.count):
                folder = Path(name, f"{number}-{turn}")
                folder.mkdir()
                with server.schema() as url:
                    _cut(case, folder, url, server.port, inspector, row)
            yield row
        yield _crash(server, Path(name, "crash"), inspector, options.count)


def _through(url: str, port: int) -> str:
    """The same schema by the proxy's port."""
    schema = url.partition("search_path%3D")[2]
    return f"postgresql://postgres@127.0.0.1:{port}/postgres?options={quote(f'-csearch_path={schema}')}"


def _cut(case: Case, folder: Path, url: str, port: int, inspector: Inspector, row: Row) -> None:
    model, record, storage = folder / "model.bin", Record(), f"file://{folder}/store"
    model.write_bytes(f"{case.name} {time.monotonic_ns()}".encode())
    record.started.append(fingerprint(model))
    Registry.open(database_url=url, storage_url=storage).close()
    problems = len(row.problems)
    with cutting_proxy(port) as proxy:
        proxy.cuts += case.cuts  # type: ignore[arg-type]
        proxy.is_gone_after_cut = case.is_gone
        answer = _answer(_through(url, proxy.port), storage, model, inspector, record, proxy)
        row.faults += len(proxy.fired)
        row.operations += 1
        if tuple(proxy.fired) != case.cuts:
            row.problems.append(f"of the cuts {case.cuts} came {proxy.fired}")
        if answer != case.wanted:
            row.problems.append(f"the answer is {answer!r}, and it is {case.wanted!r}")
    with Registry.open(database_url=url, storage_url=storage) as registry:
        _retry(registry, model, inspector, record, row)
        record.audit(registry, row)
    row.problems[problems:] = [f"{case.name}: {problem}" for problem in row.problems[problems:]]


def _answer(url: str, storage: str, model: Path, inspector: Inspector, record: Record, proxy: Proxy) -> str:
    """Push; if that says that nobody knows, let the database come back and ask what its hint says."""
    try:
        with Registry.open(database_url=url, storage_url=storage) as registry:
            pushed = registry.push(model, name="fraud", environment="none", inspector=inspector)
    except ModelregError as error:
        proxy.come_back()
        asked = _ASK.search(error.hint or "")
        if asked is None:
            return f"no answer: {error.message[:150]} ({error.hint})"
        with Registry.open(database_url=url, storage_url=storage) as registry:
            try:
                version = registry.show(asked[1], target="none")
            except NotFoundError:
                return "not pushed"
        record.acknowledge(version.reference, version.entry.digest, fingerprint(model))
        return "pushed"
    assert pushed.digest is not None
    record.acknowledge(pushed.reference, pushed.digest, fingerprint(model))
    return "pushed"


def _retry(registry: Registry, model: Path, inspector: Inspector, record: Record, row: Row) -> None:
    """Push the same file again, as someone does who saw no answer: it is there once in the end."""
    pushed = registry.push(model, name="fraud", environment="none", once=True, inspector=inspector)
    assert pushed.digest is not None
    record.acknowledge(pushed.reference, pushed.digest, fingerprint(model))
    row.operations += 1
    versions = registry.list("fraud")
    if len(versions) != 1:
        row.problems.append(f"there are {len(versions)} versions of one file")


def _crash(server: Server, folder: Path, inspector: Inspector, count: int) -> Row:
    """The server dies at some moment of a push, by ``pg_ctl stop -m immediate``, and is started again."""
    row, record = Row("the server dies under a push, and comes back"), Record()
    folder.mkdir()
    storage = f"file://{folder}/store"
    with server.schema() as url:
        Registry.open(database_url=url, storage_url=storage).close()
        for turn in range(count):
            model = folder / f"{turn}.bin"
            model.write_bytes(f"crash {turn}".encode())
            record.started.append(fingerprint(model))
            row.operations += 1
            try:
                with Registry.open(database_url=url, storage_url=storage) as registry:
                    with _dying_at(registry, server, turn):
                        registry.push(model, name="fraud", environment="none", inspector=inspector)
                    row.problems.append("the server died, and the push says that it was made")
            except ModelregError as error:
                row.faults += 1
                if not error.hint:
                    row.problems.append(f"no hint: {error.message[:150]}")
            server.start()
            with Registry.open(database_url=url, storage_url=storage) as registry:
                pushed = registry.push(model, name="fraud", environment="none", once=True, inspector=inspector)
                assert pushed.digest is not None
                record.acknowledge(pushed.reference, pushed.digest, fingerprint(model))
        with Registry.open(database_url=url, storage_url=storage) as registry:
            if len(registry.list("fraud")) != count:
                row.problems.append(f"{len(registry.list('fraud'))} versions of {count} files")
            record.audit(registry, row)
    return row


def _dying_at(registry: Registry, server: Server, turn: int) -> ExitStack:
    """Stop the server when the store is asked for the first time, or when it is given the manifest."""
    stack, store = ExitStack(), registry.store
    name = ("stage", "put")[turn % 2]
    asked: Callable[..., object] = getattr(store, name)

    def stop(*given: object, **named: object) -> object:
        server.stop()
        return asked(*given, **named)

    setattr(store, name, stop)
    stack.callback(delattr, store, name)
    return stack
