"""Regenerates ``rules/tensorflow_ops.json.xz``: the operations and graph versions of each TensorFlow since 1.12.

Run ``python tools/tensorflow_ops.py`` (or ``make tensorflow-ops``).  It fetches one wheel for each minor release with
pip (26 wheels, 4.5 GB; each is deleted once read, unless ``--downloads DIR`` keeps them) and reads its members; nothing
of it is imported.  A new release is one more line in ``RELEASES``.

An operation is told in three ways, and each release is asked for every name that any of them has:

* the generated Python wrappers ``gen_*.py`` name the operations that Python can call;
* ``UNWRAPPED`` names those that are registered without a wrapper;
* a release that has no wrapper of a name has the operation all the same if the name is a text of its shared library,
  for ``REGISTER_OP`` is given it as a C string.

What only ``tf.contrib`` of TensorFlow 1 wraps, and the library does not name, is registered when that part of contrib
is imported, and is kept apart.  ``--check PYTHON`` compares the file with what an interpreter's TensorFlow registers.

The file is JSON, compressed with xz, the same bytes each time: ``releases`` in order, and for ``operations`` and
``contrib`` names by the runs of releases that have them, each run as indices of its first and last (``0-3 7-25``).
"""

from __future__ import annotations

import argparse
import json
import lzma
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

OUTPUT = Path(__file__).resolve().parent.parent / "registry" / "modelreg" / "rules" / "tensorflow_ops.json.xz"
FORMAT = 1
PLATFORMS = ("2_27", "2_17", "2014", "2010", "1")
"""Of the ``manylinux`` tags, those that TensorFlow's wheels have had."""


@dataclass(frozen=True, slots=True)
class Release:
    """A distribution to read: its pinned name, and the Python whose wheel to ask for."""

    name: str
    version: str
    python: str

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version}"


RELEASES = (
    Release("tensorflow", "1.12.3", "3.6"),
    Release("tensorflow", "1.13.2", "3.6"),
    Release("tensorflow", "1.14.0", "3.6"),
    Release("tensorflow-cpu", "1.15.0", "3.7"),
    Release("tensorflow", "2.0.4", "3.7"),
    Release("tensorflow-cpu", "2.1.4", "3.7"),
    Release("tensorflow-cpu", "2.2.3", "3.8"),
    Release("tensorflow-cpu", "2.3.4", "3.8"),
    Release("tensorflow-cpu", "2.4.4", "3.8"),
    Release("tensorflow-cpu", "2.5.3", "3.8"),
    Release("tensorflow-cpu", "2.6.5", "3.8"),
    Release("tensorflow-cpu", "2.7.4", "3.8"),
    Release("tensorflow-cpu", "2.8.4", "3.9"),
    Release("tensorflow-cpu", "2.9.3", "3.9"),
    Release("tensorflow-cpu", "2.10.1", "3.9"),
    Release("tensorflow-cpu", "2.11.1", "3.9"),
    Release("tensorflow-cpu", "2.12.1", "3.10"),
    Release("tensorflow-cpu", "2.13.1", "3.10"),
    Release("tensorflow-cpu", "2.14.1", "3.10"),
    Release("tensorflow-cpu", "2.15.1", "3.10"),
    Release("tensorflow-cpu", "2.16.2", "3.11"),
    Release("tensorflow-cpu", "2.17.1", "3.11"),
    Release("tensorflow-cpu", "2.18.1", "3.11"),
    Release("tensorflow-cpu", "2.19.1", "3.11"),
    Release("tensorflow-cpu", "2.20.0", "3.11"),
    Release("tensorflow-cpu", "2.21.0", "3.11"),
)

UNWRAPPED = frozenset(
    """
    CalibrationStatisticsSaver ComputeDedupDataSize ComputeDedupDataSizeV2 ComputeDedupDataTupleMaskV2 CustomAggregator
    DTensorAllGather DTensorAllReduce DTensorAllScatter DTensorAllToAll DTensorReduceScatter DumpTensor
    FinalizeTPUEmbeddingV2 GetTpuTaskId KthOrderStatistic MakeUnique NegTrain QuantizedConcatV2 RiscAbs RiscAdd
    RiscBinaryArithmetic RiscBinaryComparison RiscBitcast RiscBroadcast RiscCast RiscCeil RiscCholesky RiscConcat
    RiscCondition RiscConv RiscCos RiscDiv RiscDot RiscExp RiscFft RiscFloor RiscGather RiscImag RiscIsFinite RiscLog
    RiscLogicalAnd RiscLogicalNot RiscLogicalOr RiscMax RiscMin RiscMul RiscNeg RiscPad RiscPool RiscPow
    RiscRandomUniform RiscReal RiscReduce RiscRem RiscReshape RiscReverse RiscScatter RiscShape RiscSign RiscSlice
    RiscSort RiscSqueeze RiscSub RiscTranspose RiscTriangularSolve RiscUnary RiscWhile Skipgram StochasticCastToInt
    TPUCompile TPUCompileSucceededAssert TPUExecute TPUExecuteAndUpdateVariables TPUReshardVariables TPURoundRobin
    TfLiteSubgraphExecute TopKUnique TopKWithUnique UpdateTaskIdAndGlobalCoreArray XlaClusterOutput XlaHostCompute
    XlaLaunch XlaLaunchV2 XlaRecvFromHost XlaRecvTPUEmbeddingActivationsV2 XlaRecvTPUEmbeddingDeduplicationDataV2
    XlaSendTPUEmbeddingGradientsV2 XlaSendToHost XlaSparseActivationsUnstack XlaSparseGradientsStack
    """.split()  # noqa: SIM905 (a hundred lines otherwise)
)
"""Registered by some TensorFlow and wrapped by none, as ``--check`` told; without those of its own C++ tests
(``Foo1``, ``SleepOp`` ...) and without names that begin with an underscore, which TensorFlow keeps for itself."""

_WRAPPER = re.compile(r"(?:^|/)gen_\w+\.py$")
_LIBRARY = re.compile(r"/(?:_pywrap_tensorflow_internal\.so|libtensorflow_(?:cc|framework)\.so(?:\.\d+)?)$")
_VERSION_HEADERS = re.compile(r"/tensorflow/core/public/(?:release_)?version\.h$")
_WRAPPED = re.compile(r'(?:_apply_op_helper\(\s*|_execute\.execute\(\s*b)"([\w>]+)"')
_DEFINED = re.compile(r"^#define TF_GRAPH_DEF_VERSION(_MIN_PRODUCER|_MIN_CONSUMER|) (\d+)", re.MULTILINE)
_TEXT = re.compile(rb"(?<![\w>])[A-Z][\w>]{0,127}(?=\0)", re.ASCII)
"""Before 2.7 the linker kept a text that is the end of another (``tf.RiscAdd``) as that end, with no NUL before."""
_BLOCK_BYTES = 1 << 24
_OVERLAP_BYTES = 130


@dataclass(frozen=True, slots=True)
class Read:
    """What one wheel tells: wrapped names, those of ``tf.contrib`` alone among them, and each text of its libraries."""

    release: Release
    wrapped: frozenset[str]
    contrib: frozenset[str]
    texts: frozenset[str]
    producer: int
    min_producer: int
    min_consumer: int

    def has(self, name: str) -> bool:
        """Whether the operation is there once ``import tensorflow`` is done."""
        return (name in self.wrapped and name not in self.contrib) or name in self.texts

    def has_in_contrib(self, name: str) -> bool:
        return name in self.contrib and name not in self.texts


def fetch(release: Release, folder: Path) -> Path:
    """The wheel of one release in ``folder/NAME-VERSION``, downloaded with pip unless it is there already."""
    into = folder / f"{release.name}-{release.version}"
    if not into.is_dir() or not any(into.iterdir()):
        wheel = ["--only-binary", ":all:", "--python-version", release.python]
        for tag in PLATFORMS:
            wheel += ["--platform", f"manylinux{'_' if '_' in tag else ''}{tag}_x86_64"]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *wheel, "--dest", str(into)]
        subprocess.run([*command, release.requirement], check=True)
    (archive,) = into.iterdir()
    return archive


def read_wheel(release: Release, wheel: Path) -> Read:
    """Read one wheel; raises ``ValueError`` where a member that every TensorFlow has had is missing."""
    core: set[str] = set()
    contrib: set[str] = set()
    texts: set[str] = set()
    versions: dict[str, int] = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if _WRAPPER.search(name):
                (contrib if "/contrib/" in name else core).update(_WRAPPED.findall(archive.read(name).decode()))
            elif _LIBRARY.search(name):
                with archive.open(name) as library:
                    texts.update(texts_of(library))
            elif _VERSION_HEADERS.search(name):
                versions |= {key: int(number) for key, number in _DEFINED.findall(archive.read(name).decode())}
    if not core or not texts or set(versions) != {"", "_MIN_PRODUCER", "_MIN_CONSUMER"}:
        raise ValueError(f"{wheel.name}: {len(core)} wrappers, {len(texts)} texts, versions {versions}")
    return Read(
        release,
        frozenset(core | contrib),
        frozenset(contrib - core),
        frozenset(texts),
        versions[""],
        versions["_MIN_PRODUCER"],
        versions["_MIN_CONSUMER"],
    )


def texts_of(library: IO[bytes]) -> Iterator[str]:
    """Every NUL-terminated text of a library that could be an operation's name, block by block."""
    kept = b"\0"
    while block := library.read(_BLOCK_BYTES):
        window = kept + block
        for found in _TEXT.finditer(window, 1):  # what is before a block's first byte must be seen, not guessed
            yield found[0].decode()
        kept = window[-_OVERLAP_BYTES:]


def document_of(reads: Sequence[Read]) -> dict[str, object]:
    """The file's content."""
    names = UNWRAPPED.union(*(read.wrapped for read in reads))
    return {
        "format": FORMAT,
        "releases": [
            {
                "version": read.release.version,
                "producer": read.producer,
                "min_producer": read.min_producer,
                "min_consumer": read.min_consumer,
            }
            for read in reads
        ],
        "operations": _by_runs({name: [read.has(name) for read in reads] for name in names}),
        "contrib": _by_runs({name: [read.has_in_contrib(name) for read in reads] for name in names}),
    }


def _by_runs(holdings: Mapping[str, Sequence[bool]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(holdings):
        if any(holdings[name]):
            groups[_runs(holdings[name])].append(name)
    return dict(sorted(groups.items()))


def _runs(held: Sequence[bool]) -> str:
    edges = [
        index
        for index in range(len(held) + 1)
        if (index < len(held) and held[index]) != (index > 0 and held[index - 1])
    ]
    return " ".join(f"{first}-{end - 1}" for first, end in zip(edges[::2], edges[1::2], strict=True))


# The comparison with real TensorFlows

_PROBE = r"""
import json
import tensorflow as tf
from tensorflow.core.framework import op_def_pb2
try:
    from tensorflow.python.client.pywrap_tf_session import TF_GetAllOpList, TF_GetBuffer
except ImportError:
    from tensorflow.python.pywrap_tensorflow import TF_GetAllOpList, TF_GetBuffer
known = op_def_pb2.OpList()
known.ParseFromString(TF_GetBuffer(TF_GetAllOpList()))
version = tf.version if hasattr(tf, "version") else tf
print("@" + json.dumps([version.VERSION, version.GRAPH_DEF_VERSION, [op.name for op in known.op]]))
"""


def check(python: str) -> bool:
    """Print where the file and a real registry differ; whether nothing does that could refuse a model wrongly."""
    from modelreg.rules import tensorflow_ops

    done = subprocess.run([python, "-c", _PROBE], capture_output=True, text=True, timeout=300, check=True)
    version, producer, registered = json.loads(done.stdout.rpartition("@")[2])
    numbers = tuple(int(number) for number in version.split(".")[:2])
    public = {name for name in registered if not name.startswith("_")}
    known = frozenset(tensorflow_ops.names())
    held = {name for name in known if tensorflow_ops.has(numbers, name)}
    denied = sorted((public & known) - held)
    print(f"TensorFlow {version}: {len(registered)} registered, {len(held)} held")
    _tell("registered, and the file says absent", denied)
    _tell("not registered, and the file says present", held - public)
    _tell("registered, and in no release of the file", public - known)
    told = tensorflow_ops.graph_version(numbers)
    print(f"  graph version: registered {producer}, the file says {told}")
    return not denied and told.producer == producer


def _tell(what: str, names: Collection[str]) -> None:
    print(f"  {what}: {len(names)} {' '.join(sorted(names))}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--downloads", type=Path, help="keep the wheels here, and use those that are here")
    parser.add_argument("--check", nargs="+", metavar="PYTHON", help="write nothing; compare with these interpreters")
    options = parser.parse_args()
    if options.check:
        results = [check(python) for python in options.check]
        return 0 if all(results) else 1
    reads = []
    for release in RELEASES:
        with tempfile.TemporaryDirectory() as scratch:
            reads.append(read_wheel(release, fetch(release, options.downloads or Path(scratch))))
        print(
            f"{release.requirement}: {len(reads[-1].wrapped)} wrapped, graph version {reads[-1].producer}", flush=True
        )
    text = json.dumps(document_of(reads), sort_keys=True, separators=(",", ":"))
    OUTPUT.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{OUTPUT.name}: {len(text):,} bytes of JSON, {OUTPUT.stat().st_size:,} compressed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
