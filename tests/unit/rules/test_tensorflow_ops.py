"""Which operations a TensorFlow registers: the committed table against real SavedModels, and how it was read."""

from __future__ import annotations

import importlib.util
import io
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.artifact import open_artifact
from modelreg.facts import Facts
from modelreg.inspect import Inspector
from modelreg.rules import tensorflow_ops
from modelreg.rules.keras.reader import numbers

REAL = (
    "py36/savedmodel_lambda",
    "py37tf115/savedmodel_plain",
    "py37tf115/savedmodel_graph",
    "py37tf23/savedmodel_plain",
    "py38tf24/savedmodel_lambda",
    "py38/savedmodel_plain",
    "py310/savedmodel_lambda",
    "py311/savedmodel_export",
)


@pytest.fixture(scope="module")
def real(models: Path) -> dict[str, Facts]:
    found = {}
    with Inspector() as inspector:
        for name in REAL:
            with open_artifact(models / name) as files:
                found[name] = inspector.inspect([(file.path, file.descriptor) for file in files])
    return found


@pytest.mark.parametrize("name", REAL)
def test_a_tensorflow_has_every_operation_that_it_wrote(real: dict[str, Facts], name: str) -> None:
    """Claim: no operation of a real file is denied to the TensorFlow that wrote the file."""
    facts = real[name]
    assert facts.graph is not None
    written = numbers(facts.tensorflow_version)
    denied = [each.name for each in facts.graph.operators if not tensorflow_ops.has(written, each.name)]
    assert denied == []


@pytest.mark.parametrize("name", REAL)
def test_the_graph_version_is_the_one_that_real_files_carry(real: dict[str, Facts], name: str) -> None:
    """Claim: the table's graph version of a release is the ``producer`` that the release writes."""
    facts = real[name]
    assert facts.graph is not None
    assert tensorflow_ops.graph_version(numbers(facts.tensorflow_version)).producer == facts.graph.producer


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        ("MatMul", "TensorFlow 1.12 and later"),
        ("DisableCopyOnRead", "TensorFlow 2.10 and later"),
        ("MlirPassthroughOp", "TensorFlow 2.1 and later"),
        ("RemoteFusedGraphExecute", "TensorFlow 2.4 and earlier"),
        ("GatherTree", "tf.contrib of TensorFlow 1.15 and earlier"),
        ("Addons>GatherTree", ""),
    ],
)
def test_the_releases_that_have_an_operation_are_told(operation: str, told: str) -> None:
    """Claim: checked by hand against the registries of TensorFlow 1.12 to 2.21 (``tools/tensorflow_ops.py --check``)."""
    assert tensorflow_ops.since(operation) == told


def test_contrib_is_kept_apart() -> None:
    """Claim: TensorFlow 1 registers it only on demand, TensorFlow 2 not at all."""
    assert not tensorflow_ops.has((1, 15, 0), "GatherTree")
    assert tensorflow_ops.has_in_contrib((1, 15, 0), "GatherTree")
    assert not tensorflow_ops.has_in_contrib((2, 0, 0), "GatherTree")


@pytest.mark.parametrize(
    ("version", "taken_for"),
    [
        ((2, 10, 1), (2, 10)),
        ((2, 10), (2, 10)),
        ((2,), (2, 0)),
        ((1, 4), (1, 12)),
        ((2, 99), (2, 21)),
        ((999,), (2, 21)),
    ],
)
def test_a_version_is_taken_for_the_newest_release_before_it(
    version: tuple[int, ...], taken_for: tuple[int, int]
) -> None:
    """Claim: patches do not matter, and what is outside the table is taken for its nearest end."""
    assert tensorflow_ops.graph_version(version) == tensorflow_ops.graph_version(taken_for)


@given(st.text(max_size=40) | st.sampled_from(sorted(tensorflow_ops.names())))
def test_what_is_known_is_told_and_held_by_some_release(operation: str) -> None:
    """Claim: an operation is known exactly if some release has it, and then it is said which."""
    held = any(
        tensorflow_ops.has((major, minor), operation) or tensorflow_ops.has_in_contrib((major, minor), operation)
        for major, minor in [(1, minor) for minor in range(12, 16)] + [(2, minor) for minor in range(22)]
    )
    assert held == tensorflow_ops.is_known(operation) == bool(tensorflow_ops.since(operation))


# How a wheel is read


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    path = Path(__file__).parents[3] / "tools" / "tensorflow_ops.py"
    spec = importlib.util.spec_from_file_location("tensorflow_ops_tool", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


HEADER = "#define TF_GRAPH_DEF_VERSION_MIN_PRODUCER 0\n#define TF_GRAPH_DEF_VERSION_MIN_CONSUMER 0\n"


def wheel(folder: Path, library: bytes, **wrappers: str) -> Path:
    """A wheel with the members that the tool reads; ``contrib_x`` is a wrapper of ``tf.contrib``."""
    path = folder / "tensorflow-2.99.0.whl"
    with zipfile.ZipFile(path, "w") as archive:
        header = HEADER + "#define TF_GRAPH_DEF_VERSION 77  // Updated: 2026/1/16\n"
        archive.writestr("tensorflow/include/tensorflow/core/public/version.h", header)
        archive.writestr("tensorflow/libtensorflow_cc.so.2", library)
        for name, source in wrappers.items():
            part = "contrib/x" if name.startswith("contrib_") else "python"
            archive.writestr(f"tensorflow/{part}/ops/gen_{name}_ops.py", source)
    return path


GRAPH_STYLE = '_op = _op_def_library._apply_op_helper(\n        "{}", x=x, name=name)\n'
EAGER_STYLE = '_result = _execute.execute(b"{}", 1, inputs=_inputs_flat)\n'


def test_a_wheel_tells_wrapped_hidden_and_contrib_operations(tool: ModuleType, tmp_path: Path) -> None:
    """Claim: wrappers of both styles count, a text of the library counts, and contrib alone counts apart."""
    path = wheel(
        tmp_path,
        b"\x7fELF\0Hidden\0tf.Merged\0xPart\0NoEnd",
        math=GRAPH_STYLE.format("Wrapped") + EAGER_STYLE.format("Addons>Eager"),
        contrib_a=GRAPH_STYLE.format("OnlyContrib") + GRAPH_STYLE.format("Hidden"),
    )
    read = tool.read_wheel(tool.Release("tensorflow", "2.99.0", "3.11"), path)
    told = {name for name in ("Wrapped", "Addons>Eager", "Hidden", "Merged") if read.has(name)}
    assert told == {"Wrapped", "Addons>Eager", "Hidden", "Merged"}
    assert [name for name in ("OnlyContrib", "Part", "NoEnd") if read.has(name)] == []
    assert (read.has_in_contrib("OnlyContrib"), read.has_in_contrib("Hidden")) == (True, False)
    assert (read.producer, read.min_producer, read.min_consumer) == (77, 0, 0)


def test_a_wheel_without_wrappers_is_no_tensorflow(tool: ModuleType, tmp_path: Path) -> None:
    """Claim: a layout that the tool does not know ends it, instead of a table of nothing."""
    with pytest.raises(ValueError, match="0 wrappers"):
        tool.read_wheel(tool.Release("tensorflow", "2.99.0", "3.11"), wheel(tmp_path, b"\x7fELF\0Hidden\0"))


@given(before=st.integers(0, 40), block=st.integers(12, 40))
def test_a_text_is_found_whole_wherever_a_block_ends(tool: ModuleType, before: int, block: int) -> None:
    """Claim: reading block by block neither loses a text nor takes the end of one for a text."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tool, "_BLOCK_BYTES", block)
        patch.setattr(tool, "_OVERLAP_BYTES", 11)
        found = set(tool.texts_of(io.BytesIO(b"." * before + b"\0LongMatMul\0more")))
    assert found == {"LongMatMul"}


def test_the_releases_of_an_operation_are_written_as_runs(tool: ModuleType) -> None:
    """Claim: a gap begins a new run, and names with the same runs stand together."""
    held = {"Both": [True, True, True], "Gap": [True, False, True], "Late": [False, False, True], "Never": [False] * 3}
    assert tool._by_runs({**held, "Also": held["Gap"]}) == {
        "0-0 2-2": ["Also", "Gap"],
        "0-2": ["Both"],
        "2-2": ["Late"],
    }
