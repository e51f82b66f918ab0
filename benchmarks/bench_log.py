"""What the log costs at 100,000 entries: an append, a proof of inclusion made and checked, and a whole audit.

usage: bench_log.py [--entries 100000] [--turns 1000] [--registry] [--folder DIR] [--json FILE]

Nodes are kept once in a dictionary and once in an SQLite table, where each append is a transaction of its own that is
on the disk when it is over.  The audit reads leaves and statements from that table too: of twenty entries eighteen are
manifests like that of ``tests/vectors``, of a thousand models, one moves an alias and one withdraws.  The aims are 5 ms
for an append and for a proof, and 60 s for the audit.

With ``--registry`` the same of a whole registry, SQLite and a folder, filled with as many entries: an append as a
transaction of its own, what a client asks for and checks of one version, the first reading of everything that the log
says of aliases and withdrawals and the next one, and an audit that reads every blob.  Filling it takes minutes.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks.seed import seed

from modelreg import Registry
from modelreg.client.claim import Claim
from modelreg.client.logged import proved, read_evidence
from modelreg.client.memory import Memory
from modelreg.client.pointing import with_view
from modelreg.client.stating import Speaker, Stating
from modelreg.db.records import Index
from modelreg.digest import sha256_hex
from modelreg.records import canonical_json
from modelreg.trust.audit import LogEntry, audit
from modelreg.trust.checkpoint import Checkpoint, open_checkpoint
from modelreg.trust.leaf import LeafKind, LogLeaf
from modelreg.trust.merkle import (
    Frontier,
    Node,
    NodeReader,
    leaf_hash,
    prove_consistency,
    prove_inclusion,
    verify_consistency,
    verify_inclusion,
)
from modelreg.trust.note import VerifierKey
from modelreg.trust.statements import Pointer, Target, Withdrawal, statement_bytes

ORIGIN = "log.example/bench"
SIGNERS = (sha256_hex(b"a signer"),)
MODELS = 1_000
MANIFEST = Path(__file__).resolve().parent.parent / "tests" / "vectors" / "manifest-v1-digits.json"
SCHEMA = """
    pragma journal_mode = wal;
    pragma synchronous = full;
    create table nodes (level integer, number integer, hash blob not null, primary key (level, number)) without rowid;
    create table entries (number integer primary key, leaf blob not null, statement blob not null);
"""


class Nodes(Protocol):
    """Where the nodes are kept."""

    def read(self, level: int, index: int) -> bytes: ...

    def fill(self, nodes: Iterable[Node]) -> None:
        """Keep many at once."""
        ...

    def keep(self, nodes: Sequence[Node]) -> None:
        """Keep what one append made, for good."""
        ...


class Dictionary:
    """Nodes in memory."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[int, int], bytes] = {}

    def read(self, level: int, index: int) -> bytes:
        return self._nodes[level, index]

    def fill(self, nodes: Iterable[Node]) -> None:
        self._nodes.update({(node.level, node.index): node.hash for node in nodes})

    keep = fill


class Table:
    """Nodes in a table of SQLite."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def read(self, level: int, index: int) -> bytes:
        row = self._connection.execute("select hash from nodes where level = ? and number = ?", (level, index))
        found: bytes = row.fetchone()[0]
        return found

    def fill(self, nodes: Iterable[Node]) -> None:
        rows = ((node.level, node.index, node.hash) for node in nodes)
        self._connection.execute("begin immediate")
        self._connection.executemany("insert into nodes values (?, ?, ?)", rows)
        self._connection.execute("commit")

    keep = fill


@dataclass(frozen=True)
class Row:
    """One figure: its median and its 99th percentile, in milliseconds."""

    what: str
    median_ms: float
    worst_ms: float

    @classmethod
    def of(cls, what: str, seconds: list[float]) -> Row:
        ordered = sorted(seconds)
        return cls(what, statistics.median(ordered) * 1e3, ordered[int(len(ordered) * 0.99)] * 1e3)


def statements(count: int) -> Iterator[tuple[LeafKind, bytes]]:
    """What a registry of many models logs; every entry is one that an audit finds clean."""
    template: dict[str, Any] = json.loads(MANIFEST.read_text(encoding="utf-8"))
    versions: dict[str, list[str]] = {}
    links: dict[tuple[str, str], tuple[int, str]] = {}
    for number in range(count):
        model = f"team{number % 7}/model{(number // 20) % MODELS:05}"
        known = versions.setdefault(model, [])
        if number % 20 < 18 or not known:
            template["predicate"] |= {
                "model": model,
                "version": len(known) + 1,
                "previous": known[-1] if known else None,
            }
            data = canonical_json(template)
            known.append(sha256_hex(data))
            yield LeafKind.MANIFEST, data
            continue
        kind = LeafKind.POINTER if number % 20 == 18 else LeafKind.WITHDRAWAL
        sequence, previous = links.get((kind, model), (0, None))
        told: dict[str, Any] = {
            "registry": ORIGIN,
            "model": model,
            "target": Target(len(known), known[-1]),
            "sequence": sequence + 1,
            "previous": previous,
            "reason": "measured",
            "by": "bench",
            "created_at": "2026-11-23T18:55:36Z",
        }
        data = statement_bytes(Pointer(alias="bench", **told) if kind is LeafKind.POINTER else Withdrawal(**told))
        links[kind, model] = (sequence + 1, sha256_hex(data))
        yield kind, data


def write_entries(connection: sqlite3.Connection, count: int) -> list[bytes]:
    """Fill the table of entries; returns the hashes of their leaves."""
    hashes = []

    def rows() -> Iterator[tuple[int, bytes, bytes]]:
        for number, (kind, data) in enumerate(statements(count)):
            leaf = LogLeaf(kind, sha256_hex(data), SIGNERS).to_bytes()
            hashes.append(leaf_hash(leaf))
            yield number, leaf, data

    connection.execute("begin immediate")
    connection.executemany("insert into entries values (?, ?, ?)", rows())
    connection.execute("commit")
    return hashes


def grow(leaves: Iterable[bytes]) -> tuple[Frontier, list[Node]]:
    """The frontier over ``leaves``, and every node on the way."""
    frontier = Frontier()
    made: list[Node] = []
    for leaf in leaves:
        frontier, nodes = frontier.append(leaf)
        made += nodes
    return frontier, made


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def append_one(nodes: Nodes, size: int, number: int) -> int:
    """One append as a registry does it: the frontier is read, not remembered."""
    frontier, made = Frontier.read(nodes.read, size).append(leaf_hash(b"appended %d" % number))
    nodes.keep(made)
    return frontier.size


def measure(what: str, nodes: Nodes, leaves: list[bytes], turns: int) -> list[Row]:
    """Appends at the end, then proofs of random entries and from random sizes to the end."""
    filled, made = grow(leaves)
    nodes.fill(made)
    size = filled.size
    appends = []
    for number in range(turns):
        started = time.perf_counter()
        size = append_one(nodes, size, number)
        appends.append(time.perf_counter() - started)
    root = Frontier.read(nodes.read, size).root
    draw = random.Random(1)
    inclusions, consistencies, checks = [], [], []
    for _ in range(turns):
        index, old = draw.randrange(len(leaves)), draw.randrange(1, len(leaves))
        inclusions.append(timed(lambda index=index: prove_inclusion(nodes.read, index, size)))  # type: ignore[misc]
        consistencies.append(timed(lambda old=old: prove_consistency(nodes.read, old, size)))  # type: ignore[misc]
        checks.append(timed(lambda index=index, old=old: check(nodes.read, leaves, index, old, size, root)))  # type: ignore[misc]
    return [
        Row.of(f"append, {what}", appends),
        Row.of(f"inclusion proof, {what}", inclusions),
        Row.of(f"consistency proof, {what}", consistencies),
        Row.of(f"both made and checked, {what}", checks),
    ]


def check(nodes: NodeReader, leaves: list[bytes], index: int, old: int, size: int, root: bytes) -> None:
    proof = prove_inclusion(nodes, index, size)
    assert verify_inclusion(leaves[index], index, size, proof, root)
    before = Frontier.read(nodes, old).root
    assert verify_consistency(old, before, size, root, prove_consistency(nodes, old, size))


def measure_audit(connection: sqlite3.Connection, leaves: list[bytes]) -> tuple[float, float, int]:
    """Seconds by the clock and of the processor, and by how many KiB the process's memory grew at its highest."""
    head, _ = grow(leaves)
    entries = (
        LogEntry(*row) for row in connection.execute("select number, leaf, statement from entries order by number")
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, started_cpu = time.perf_counter(), time.process_time()
    report = audit(entries, Checkpoint(ORIGIN, head.size, head.root))
    seconds, cpu_s = time.perf_counter() - started, time.process_time() - started_cpu
    assert report.is_clean, report.observations[:5]
    assert report.checkpoints == (head.size,)
    return seconds, cpu_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


def fill_registry(home: Path, count: int) -> None:
    """A registry whose log has ``count`` entries: of twenty eighteen versions, a move and a withdrawal."""
    versions_of = count * 9 // 10
    seed(f"sqlite:///{home}/registry.db", f"file://{home}/store", versions_of, MODELS, manifests=True)
    with Registry.open(home=home) as registry:
        speaker = Speaker(registry._origin(), "bench")  # noqa: SLF001 - a registry is filled as no user fills one
        with (
            Claim(registry._index, registry._leases, registry.store, "bench") as claimed,  # noqa: SLF001
            registry._index.transaction() as transaction,  # noqa: SLF001
        ):
            transaction.log.append_unlogged()
            stating = Stating(speaker, registry.store, claimed, transaction)
            for entry in registry.list()[17::18]:
                stating.move(entry.model, "bench", entry.version, "measured")
                stating.withdraw(entry.model, entry.version, "measured", entry.created_at)
            stating.log()
        registry.log_checkpoint()


def measure_registry(home: Path, turns: int) -> tuple[list[Row], list[str]]:
    """What the tables, a client and an auditor take."""
    with Registry.open(home=home) as registry:
        index = registry._index  # noqa: SLF001 - timed below what a user calls
        versions = registry.list(limit=turns)
        appends = [timed(lambda number=number: _append(index, number)) for number in range(turns)]  # type: ignore[misc]
        covered = timed(registry.log_checkpoint)
        keys = [VerifierKey.parse(registry.log_key())]
        proofs = [timed(lambda entry=entry: _prove(index, entry.digest, keys)) for entry in versions]  # type: ignore[misc]
        with index.reading_log() as log:
            newest = log.newest_checkpoint()
        assert newest is not None
        head = open_checkpoint(newest.note, keys).checkpoint
        memory = Memory(home / "memory")
        first = timed(lambda: _view(index, head, memory))
        again = [timed(lambda: _view(index, head, memory)) for _ in range(9)]
        started = time.perf_counter()
        report = registry.log_audit()
        audited = time.perf_counter() - started
        flaws = {finding.kind for finding in report.findings if not finding.is_remark}
        assert flaws == {"missing-statement"}, flaws  # of those that were appended to measure
    rows = [Row.of("append, committed", appends), Row.of("proof asked for and checked", proofs)]
    rows.append(Row.of("aliases and withdrawals read again", again))
    told = f"{head.size:,} entries: head signed in {covered:.2f} s, aliases and withdrawals read first in {first:.2f} s"
    return rows, [told, f"audit of {report.entries:,} entries, {report.versions:,} versions: {audited:.1f} s"]


def _view(index: Index, head: Checkpoint, memory: Memory) -> None:
    assert with_view(index, head, lambda view: len(view.pointers) and not view.split, memory)


def _append(index: Index, number: int) -> None:
    with index.transaction() as transaction:
        transaction.log.append([LogLeaf(LeafKind.TRUST, sha256_hex(b"measured %d" % number), SIGNERS)])


def _prove(index: Index, digest: str, keys: Sequence[VerifierKey]) -> None:
    assert proved(read_evidence(index, digest), digest, keys)


def report_registry(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="modelreg-bench-", dir=options.folder) as name:
        fill_registry(Path(name), options.entries)
        rows, lines = measure_registry(Path(name), options.turns)
    print(f"{options.entries:,} entries in a registry, {options.turns:,} turns{'median':>9} {'99 %':>11}")
    for row in rows:
        print(f"{row.what:<40} {row.median_ms:8.3f} ms {row.worst_ms:8.3f} ms")
    print("\n".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=1_000)
    parser.add_argument("--folder", type=Path, default=None, help="a folder on the disk under test")
    parser.add_argument("--json", type=Path, default=None, help="write the rows there too")
    parser.add_argument("--registry", action="store_true", help="measure a whole registry instead")
    options = parser.parse_args()
    if options.registry:
        report_registry(options)
        return
    with tempfile.TemporaryDirectory(prefix="modelreg-bench-", dir=options.folder) as name:
        path = Path(name) / "log.db"
        connection = sqlite3.connect(path, isolation_level=None)
        connection.executescript(SCHEMA)
        leaves = write_entries(connection, options.entries)
        size_bytes = connection.execute("select sum(length(statement)) from entries").fetchone()[0]
        audit_s, cpu_s, grown_kib = measure_audit(connection, leaves)
        rows = measure("in memory", Dictionary(), leaves, options.turns)
        rows += measure("SQLite table", Table(connection), leaves, options.turns)
        connection.close()
    print(f"{options.entries:,} entries, {options.turns:,} turns{'median':>22} {'99 %':>11}")
    for row in rows:
        print(f"{row.what:<40} {row.median_ms:8.3f} ms {row.worst_ms:8.3f} ms")
    told = f"{audit_s:.1f} s ({cpu_s:.1f} s of processor), {grown_kib / 1024:.0f} MiB more memory"
    print(f"audit of {size_bytes / 1e6:,.0f} MB of statements: {told}")
    if options.json:
        figures = {"rows": [asdict(row) for row in rows], "audit_s": audit_s, "audit_cpu_s": cpu_s}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
