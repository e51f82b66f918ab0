"""Speed against peers, side by side in one run: boto3's own transfer on S3, MLflow and DVC on a folder.

usage: python -m benchmarks.bench_peers --mlflow PYTHON --dvc PYTHON [--rounds 3] [--size-mib 1024] [--files 200]

Every figure is the median of ROUNDS whole processes that take turns, until the bytes are on the disk (``sync``); each
peer runs in an environment of its own (``make bench-peers`` makes them).  What is moved is one HDF5 file of
``--size-mib``, and a SavedModel with ``--files`` assets of 5 MB.  S3 is SeaweedFS on loopback (``tests/servers``),
reached by both sides alike.  MLflow logs and downloads an artifact by its file store; DVC adds and pushes to a local
remote, and pulls with an empty cache.  ``--write`` puts the table and the chart into ``docs/``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import Run, run, write_model
from benchmarks.chart import draw
from tests.servers.seaweedfs import seaweedfs
from tests.servers.server import ACCESS_KEY, SECRET_KEY, S3Server

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT, CHART = ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "benchmarks.svg"
BEGIN, END = "<!-- begin peers: written by make bench-peers -->", "<!-- end peers -->"
ASSET_BYTES = 5_000_000
MIB = 1024 * 1024

BOTO3 = """
import os, sys, boto3
from pathlib import Path
verb, endpoint, key, place = sys.argv[1:]
client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
place = Path(place)
if verb == "up":
    for path in [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file()):
        client.upload_file(str(path), "models", f"{key}/{path.relative_to(place.parent)}")
else:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="models", Prefix=f"{key}/")
    for found in [item["Key"] for page in pages for item in page.get("Contents", [])]:
        path = place / found.removeprefix(f"{key}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        client.download_file("models", found, str(path))
"""
MLFLOW_PUSH = """
import sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
with mlflow.start_run() as run:
    (mlflow.log_artifacts if sys.argv[3] == "folder" else mlflow.log_artifact)(sys.argv[2])
    open(sys.argv[4], "w").write(run.info.run_id)
"""
MLFLOW_PULL = """
import sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
mlflow.artifacts.download_artifacts(run_id=open(sys.argv[2]).read(), dst_path=sys.argv[3])
"""


@dataclass(frozen=True)
class Side:
    """One way to do a task: ``prepare`` is not timed."""

    name: str
    prepare: Callable[[], None]
    work: Callable[[], Run]


@dataclass(frozen=True)
class Row:
    """The medians of one task, ours first."""

    task: str
    seconds: dict[str, float]


class Peers:
    """What is compared, in one folder, on one server."""

    def __init__(self, folder: Path, server: S3Server, mlflow: str, dvc: str, rounds: int) -> None:
        self._folder = folder
        self._server = server
        self._mlflow = mlflow
        self._dvc = str(Path(dvc).with_name("dvc"))
        self._rounds = rounds
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("MODELREG_", "AWS_", "PYTHON"))
        }
        self._environment = kept | {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "MLFLOW_ALLOW_FILE_STORE": "true",
            "DVC_NO_ANALYTICS": "true",
            "HOME": str(folder / "home"),
            "MODELREG_SIGN": "none",
        }

    def tasks(self, what: str, source: Path) -> Iterator[Row]:
        """Push and pull ``source`` on either store; what was pushed last is what is pulled."""
        kind = "folder" if source.is_dir() else "file"
        place = self._folder / kind
        yield self._measured(
            f"{what}, folder: push", [self._ours_push(place, source), *self._peers_push(place, source, kind)]
        )
        yield self._measured(f"{what}, folder: pull", [self._ours_pull(place), *self._peers_pull(place)])
        url = self._server.url(f"bench/{kind}")
        pushed = [self._ours_push(place / "s3", source, url), self._boto3("up", kind, source)]
        yield self._measured(f"{what}, S3: push", pushed)
        pulled = [self._ours_pull(place / "s3", url), self._boto3("down", kind, place / "boto3")]
        yield self._measured(f"{what}, S3: pull", pulled)

    def _measured(self, task: str, sides: list[Side]) -> Row:
        seconds: dict[str, list[float]] = {side.name: [] for side in sides}
        for turn in range(self._rounds + 1):
            for side in sides[turn % len(sides) :] + sides[: turn % len(sides)]:
                side.prepare()
                run(["sync"])
                took = side.work().seconds + run(["sync"]).seconds
                if turn:  # the first round warms the caches
                    seconds[side.name].append(took)
        made = Row(task, {name: statistics.median(found) for name, found in seconds.items()})
        ours = made.seconds["modelreg"]
        told = ", ".join(f"{name} {took:.2f} s (x {ours / took:.2f})" for name, took in made.seconds.items())
        print(f"{task:<40} {told}", flush=True)
        return made

    def _modelreg(self, home: Path, url: str | None, *arguments: str) -> Run:
        more = {"MODELREG_HOME": str(home)} | ({"MODELREG_STORAGE_URL": url} if url else {})
        return run([str(Path(sys.executable).with_name("modelreg")), *arguments], self._environment | more)

    def _ours_push(self, place: Path, source: Path, url: str | None = None) -> Side:
        home = place / "registry"

        def prepare() -> None:
            if home.exists() and url is not None:
                self._modelreg(home, url, "gc", "--yes", "--even-if-empty")
            shutil.rmtree(home, ignore_errors=True)
            self._modelreg(home, url, "db", "upgrade")
            if url is not None:  # what an earlier round left: a push of bytes that are there would be a quick one
                self._modelreg(home, url, "gc", "--yes", "--even-if-empty")

        return Side(
            "modelreg",
            prepare,
            lambda: self._modelreg(home, url, "push", str(source), "--name", "bench", "--env", "none", "-q"),
        )

    def _ours_pull(self, place: Path, url: str | None = None) -> Side:
        home, out = place / "registry", place / "out"
        checks = ("--verify", "--target", "none", "--allow", "MR410")
        return Side(
            "modelreg",
            lambda: shutil.rmtree(out, ignore_errors=True),
            lambda: self._modelreg(home, url, "pull", "bench", "-o", str(out), *checks, "-q"),
        )

    def _peers_push(self, place: Path, source: Path, kind: str) -> list[Side]:
        runs, repository, remote = place / "mlflow", place / "dvc", place / "remote"

        def fresh_repository() -> None:
            for folder in (repository, remote):
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
            self._in_repository(repository, "init", "--no-scm", "-q")
            self._in_repository(repository, "remote", "add", "-d", "here", str(remote))
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, repository / source.name)

        def add_and_push() -> Run:
            added = self._in_repository(repository, "add", "-q", source.name)
            pushed = self._in_repository(repository, "push", "-q")
            return Run(added.seconds + pushed.seconds, max(added.peak_bytes, pushed.peak_bytes))

        def log() -> Run:
            arguments = [f"file://{runs}", str(source), kind, str(place / "run")]
            return run([self._mlflow, "-c", MLFLOW_PUSH, *arguments], self._environment)

        return [
            Side("MLflow", lambda: shutil.rmtree(runs, ignore_errors=True), log),
            Side("DVC", fresh_repository, add_and_push),
        ]

    def _peers_pull(self, place: Path) -> list[Side]:
        runs, repository, out = place / "mlflow", place / "dvc", place / "mlflow-out"

        def empty_cache() -> None:
            shutil.rmtree(repository / ".dvc" / "cache", ignore_errors=True)
            for pointer in repository.glob("[!.]*.dvc"):
                pulled = pointer.with_suffix("")
                (shutil.rmtree if pulled.is_dir() else Path.unlink)(pulled)

        def fresh_folder() -> None:
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()

        download = [self._mlflow, "-c", MLFLOW_PULL, f"file://{runs}", str(place / "run"), str(out)]
        return [
            Side("MLflow", fresh_folder, lambda: run(download, self._environment)),
            Side("DVC", empty_cache, lambda: self._in_repository(repository, "pull", "-q")),
        ]

    def _in_repository(self, repository: Path, *arguments: str) -> Run:
        return run([self._dvc, "--cd", str(repository), *arguments], self._environment)

    def _boto3(self, verb: str, key: str, place: Path) -> Side:
        def prepare() -> None:
            if verb == "down":
                shutil.rmtree(place, ignore_errors=True)

        arguments = [verb, self._server.endpoint, f"plain/{key}", str(place)]
        return Side("boto3", prepare, lambda: run([sys.executable, "-c", BOTO3, *arguments], self._environment))


def write_assets(folder: Path, count: int) -> None:
    """A real SavedModel with ``count`` assets of random bytes."""
    shutil.copytree(ROOT / "tests" / "models" / "py38" / "savedmodel_plain", folder)
    (folder / "assets").mkdir(exist_ok=True)
    for number in range(count):
        (folder / "assets" / f"{number:03}.bin").write_bytes(os.urandom(ASSET_BYTES))


def table(rows: list[Row]) -> str:
    """The rows as Markdown, each with the ratio of ours to the fastest peer."""
    lines = ["| | modelreg | peers | ratio to the fastest |", "|---|---|---|---|"]
    for row in rows:
        ours = row.seconds["modelreg"]
        peers = {name: took for name, took in row.seconds.items() if name != "modelreg"}
        told = ", ".join(f"{name} {took:.2f} s" for name, took in peers.items())
        lines.append(f"| {row.task} | {ours:.2f} s | {told} | {ours / min(peers.values()):.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mlflow", required=True)
    parser.add_argument("--dvc", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size-mib", type=int, default=1024)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--write", action="store_true", help="put the table and the chart into docs/")
    options = parser.parse_args()
    sources: list[tuple[str, str, Callable[[Path], None]]] = [
        (
            f"{options.size_mib / 1024:g} GiB",
            "model.weights.h5",
            lambda path: write_model(path, options.size_mib * MIB),
        ),
        (f"{options.files} x 5 MB", "saved", lambda path: write_assets(path, options.files)),
    ]
    rows: list[Row] = []
    for what, called, make in sources:
        with tempfile.TemporaryDirectory(dir=options.folder) as name:  # a server keeps what was deleted for a while
            folder = Path(name)
            for needed in ("home", "server"):
                (folder / needed).mkdir()
            source = folder / called
            make(source)
            with seaweedfs(folder / "server") as server:
                rows += Peers(folder, server, options.mlflow, options.dvc, options.rounds).tasks(what, source)
    if options.write:
        text = DOCUMENT.read_text()
        before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
        DOCUMENT.write_text(f"{before}\n\n{table(rows)}\n\n{after}")
        CHART.write_text(draw([(row.task, row.seconds) for row in rows]))


if __name__ == "__main__":
    main()
