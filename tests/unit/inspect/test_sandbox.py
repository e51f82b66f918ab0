"""The child: what it may do, what becomes of it, and what the parent makes of that."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelreg.artifact import open_artifact
from modelreg.errors import InspectionError, NotFoundError, UsageError
from modelreg.facts import Container, DefectKind, Facts, HazardKind
from modelreg.inspect import Entry, Inspector, inspect_path, starter, worth_reading
from modelreg.inspect.confine import landlock_abi
from modelreg.inspect.limits import MIB, ChildLimits
from modelreg.inspect.reader import read_artifact
from modelreg.inspect.source import SourceFile, descriptor_stream
from modelreg.inspect.values import Values

PROBE = Path(__file__).parent / "confined_probe.py"
ENDLESS_SIZE_BYTES = 1 << 42


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[int]:
    """A sparse file of four terabytes of zeros, which take a reader hours to look through."""
    path = tmp_path / "endless"
    path.touch()
    try:
        os.truncate(path, ENDLESS_SIZE_BYTES)
    except OSError:
        pytest.skip("this file system has no files of four terabytes")
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def opened(path: Path) -> Iterator[tuple[str, int]]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield path.name, descriptor
    finally:
        os.close(descriptor)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["py38/lambda.h5", "py313/lambda_nested.keras", "tf220/plain.tflite", "onnx/typed.onnx"]
)
@pytest.mark.parametrize("with_values", [False, True], ids=["facts", "digests too"])
def test_the_childs_facts_are_those_of_the_reader(models: Path, name: str, with_values: bool) -> None:
    """What crosses the socket is what was read, to the last field; nothing is missing once it is confined.

    Twice, for the first request imports what it needs and the second finds it imported.
    """
    path = models / name
    size_bytes = path.stat().st_size
    for entry in opened(path):
        file = SourceFile(path.name, size_bytes, descriptor_stream(entry[1], size_bytes))
        here = read_artifact([file], values=Values.for_artifact(size_bytes) if with_values else None)
        assert any(tensor.digest for tensor in here.tensors) is with_values
        with Inspector() as inspector:
            assert inspector.inspect([entry], values=with_values) == here
            assert inspector.inspect([entry], values=with_values) == here


def test_a_folder_is_read_from_the_few_files_that_matter(models: Path) -> None:
    """Of a SavedModel no variable data is even opened."""
    root = models / "py38" / "savedmodel_plain"
    paths = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    assert "variables/variables.data-00000-of-00001" in paths
    assert "variables/variables.data-00000-of-00001" not in worth_reading(paths)
    assert inspect_path(root).container is Container.SAVED_MODEL


def test_digests_of_a_folders_variables_need_their_shards(models: Path) -> None:
    """They are then worth reading, and the child has what it needs to read them."""
    root = models / "py38" / "savedmodel_plain"
    paths = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    assert "variables/variables.data-00000-of-00001" in worth_reading(paths, values=True)
    with open_artifact(root) as files, Inspector() as inspector:
        facts = inspector.inspect([(file.path, file.descriptor) for file in files], values=True)
    assert all(tensor.digest for tensor in facts.tensors if tensor.dtype != "string")


def reader_of(inspector: Inspector) -> int:
    """The reader at work, once there is one, and once it has had the time to begin."""
    deadline = time.monotonic() + 30
    while (reader := inspector.reader_pid) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(1)
    return reader


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_one_inspector_reads_several_artifacts_each_in_a_process_of_its_own(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one artifact took over never sees the next; what starts the readers stays, and leaves with the Inspector."""
    numbers: list[int] = []
    real = starter.Starter._number

    def noted(starting: starter.Starter, deadline: float) -> int:
        numbers.append(real(starting, deadline))
        return numbers[-1]

    monkeypatch.setattr(starter.Starter, "_number", noted)
    names = ["py38/plain.h5", "py313/plain.keras", "tf220/plain.tflite", "onnx/plain.onnx"] * 2
    with Inspector() as inspector:
        started = inspector.starter_pid
        containers = [inspector.inspect([entry]).container for name in names for entry in opened(models / name)]
        assert (inspector.starter_pid, inspector.reader_pid) == (started, None)
    assert containers == [Container.KERAS_HDF5, Container.KERAS_ZIP, Container.TFLITE, Container.ONNX] * 2
    assert len({started, *numbers}) == 9
    assert started is not None
    assert is_gone(started)
    assert all(map(is_gone, numbers))


def test_a_starter_that_died_is_replaced(models: Path) -> None:
    """The request under way is an error of ours, not of the artifact; the next one is read."""
    for entry in opened(models / "py38" / "plain.h5"):
        with Inspector() as inspector:
            first = inspector.inspect([entry])
            assert inspector.starter_pid is not None
            os.kill(inspector.starter_pid, signal.SIGKILL)
            with pytest.raises(InspectionError):
                inspector.inspect([entry])
            assert inspector.inspect([entry]) == first


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the limit of processor time ends it")
def test_no_reader_outlives_its_starter(endless: int) -> None:
    """Not even where the starter is killed and cannot end it."""
    found: list[int] = []

    def kill() -> None:
        found.append(reader_of(inspector))
        assert inspector.starter_pid is not None
        os.kill(inspector.starter_pid, signal.SIGKILL)

    with Inspector() as inspector:
        killer = threading.Thread(target=kill)
        killer.start()
        with pytest.raises(InspectionError, match="ended"):
            inspector.inspect_entries([Entry("m.h5", ENDLESS_SIZE_BYTES, endless)])
        killer.join()
    deadline = time.monotonic() + 10
    while not is_gone(found[0]) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert is_gone(found[0])


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="this system does not list open files")
def test_a_reader_holds_no_socket_of_its_starter(endless: int) -> None:
    """What took it over could else speak to the starter, or to the parent in the starter's name."""
    found: dict[str, set[str]] = {}

    def sockets(pid: int) -> set[str]:
        links = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
        return {link for link in links if link.startswith("socket:")}

    def look() -> None:
        reader = reader_of(inspector)
        assert inspector.starter_pid is not None
        found["reader"], found["starter"] = sockets(reader), sockets(inspector.starter_pid)
        os.kill(reader, signal.SIGKILL)

    with Inspector() as inspector:
        looker = threading.Thread(target=look)
        looker.start()
        inspector.inspect_entries([Entry("m.h5", ENDLESS_SIZE_BYTES, endless)])
        looker.join()
    assert (len(found["reader"]), len(found["starter"])) == (1, 1)
    assert found["reader"].isdisjoint(found["starter"])


@pytest.mark.slow
def test_each_artifact_has_limits_of_its_own(endless: int, models: Path) -> None:
    """One that uses up its time takes none of the next one's."""
    with Inspector(child_limits=ChildLimits(cpu_s=1)) as inspector:
        for _ in range(2):
            facts = inspector.inspect_entries([Entry("m.h5", ENDLESS_SIZE_BYTES, endless)])
            assert [defect.kind for defect in facts.defects] == [DefectKind.READER_TIMED_OUT]
        for entry in opened(models / "py38" / "plain.h5"):
            assert inspector.inspect([entry]).defects == ()


def test_leaving_an_inspector_unused_leaves_no_process() -> None:
    """Killed and reaped, also when it had nothing to do."""
    with Inspector(expect_hdf5=True) as inspector:
        starter = inspector.starter_pid
    assert starter is not None
    assert is_gone(starter)


def test_a_child_that_is_killed_while_reading_is_a_defect(endless: int) -> None:
    """The parent goes on and says by which signal."""
    with Inspector() as inspector:
        killer = threading.Thread(target=lambda: os.kill(reader_of(inspector), signal.SIGKILL))
        killer.start()
        facts = inspector.inspect_entries([Entry("m.h5", ENDLESS_SIZE_BYTES, endless)])
        killer.join()
    assert facts.container is Container.OPAQUE
    assert [(defect.kind, defect.file) for defect in facts.defects] == [(DefectKind.READER_DIED, "m.h5")]
    assert "SIGKILL" in facts.defects[0].detail


@pytest.mark.slow
@pytest.mark.parametrize("limits", [ChildLimits(wall_s=1), ChildLimits(cpu_s=1)], ids=["wall clock", "processor time"])
def test_a_child_that_takes_too_long_is_a_defect(endless: int, limits: ChildLimits) -> None:
    """Whichever of the two limits is reached first."""
    start = time.monotonic()
    with Inspector(child_limits=limits) as inspector:
        facts = inspector.inspect_entries([Entry("m.h5", ENDLESS_SIZE_BYTES, endless)])
    assert [defect.kind for defect in facts.defects] == [DefectKind.READER_TIMED_OUT]
    assert time.monotonic() - start < 30


@pytest.mark.slow
def test_a_child_that_stands_still_is_ended_long_before_the_limit_of_all(endless: int) -> None:
    """As on a machine that gives it no processor: what counts is the time since the last sign of work."""
    start = time.monotonic()
    with Inspector(child_limits=ChildLimits(silence_s=2, wall_s=300)) as inspector:
        stopper = threading.Thread(target=lambda: os.kill(reader_of(inspector), signal.SIGSTOP))
        stopper.start()
        facts = inspector.inspect_entries([Entry("m.h5", ENDLESS_SIZE_BYTES, endless)])
        stopper.join()
    assert [defect.kind for defect in facts.defects] == [DefectKind.READER_TIMED_OUT]
    assert "came no further for 2 s" in facts.defects[0].detail
    assert time.monotonic() - start < 60


@pytest.mark.slow
def test_signs_of_work_give_time_but_no_more_than_all_of_it(endless: int) -> None:
    """A reader that goes through a large file is waited for beyond one silence, and ended at the limit of all."""
    with Inspector(child_limits=ChildLimits(silence_s=3, wall_s=5, cpu_s=60)) as inspector:
        start = time.monotonic()
        facts = inspector.inspect_entries([Entry("m.h5", ENDLESS_SIZE_BYTES, endless)])
        took_s = time.monotonic() - start
    assert "took longer than 5 s" in facts.defects[0].detail
    assert took_s >= 5


def test_a_small_file_has_ten_seconds_and_a_large_one_time_in_proportion() -> None:
    """Nine to read and one to end it; a gigabyte is read at 20 MB/s in the end."""
    for values in (False, True):
        small = ChildLimits.for_size(200 * 1024, values=values)
        assert (small.silence_s, small.wall_s) == (9, 9)
    large = ChildLimits.for_size(10**9)
    assert large.wall_s - large.silence_s == 50
    assert large.cpu_s == ChildLimits().cpu_s + 5


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not limit address space")
def test_a_child_that_needs_too_much_memory_says_so(tmp_path: Path) -> None:
    """A configuration that does not fit is a hazard, not a crash."""
    import h5py

    path = tmp_path / "big.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = b'{"class_name": "Model", "config": {"name": "' + b"x" * (60 * MIB) + b'"}}'
    for entry in opened(path):
        with Inspector(child_limits=ChildLimits(memory_bytes=350 * MIB)) as inspector:
            facts = inspector.inspect([entry])
    assert [hazard.kind for hazard in facts.hazards] == [HazardKind.TOO_MUCH]
    assert facts.layers == ()


def test_a_child_that_cannot_start_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch, models: Path) -> None:
    """No interpreter, or one without modelreg: the artifact is not to blame."""
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(InspectionError, match="could not be started"), Inspector():
        pass
    monkeypatch.setattr(sys, "executable", "/bin/false")
    for entry in opened(models / "py38" / "plain.h5"):
        with Inspector() as inspector, pytest.raises(InspectionError, match="did not begin"):
            inspector.inspect([entry])


def probe(path: Path, mode: str) -> dict[str, str]:
    result = subprocess.run(
        [sys.executable, str(PROBE), str(path), mode], capture_output=True, text=True, timeout=60, check=True
    )
    outcomes = json.loads(result.stdout)
    assert isinstance(outcomes, dict)
    return outcomes


def test_a_confined_process_reads_what_it_holds_and_nothing_else(models: Path) -> None:
    """No file by name, no folder, no socket, no program, no gigabyte; the descriptor at hand still works."""
    outcomes = probe(models / "py38" / "plain.h5", "all")
    assert outcomes.pop("read what it was given") == "done"
    if sys.platform == "darwin":
        outcomes = {what: outcomes[what] for what in ("open the same file again", "open another file", "connect")}
    assert all(outcome.endswith("Error") for outcome in outcomes.values()), outcomes


@pytest.mark.skipif(landlock_abi() < 1, reason="this kernel has no Landlock")
def test_landlock_alone_refuses_every_file(models: Path) -> None:
    """Without the limit of open files, the kernel's own access control does it: permission denied."""
    outcomes = probe(models / "py38" / "plain.h5", "landlock")
    for what in ("open the same file again", "open another file", "list a folder", "write a file", "run a program"):
        assert outcomes[what] == "PermissionError"
    assert outcomes["read what it was given"] == "done"


def test_without_landlock_no_file_can_be_opened_but_one_can_be_removed(tmp_path: Path, models: Path) -> None:
    """What docs/hostile-files.md says of kernels without it: no descriptor can be made, so nothing can be read, written
    or sent; calls that need none, which only code that took the reader over makes, still work as the user's.
    """
    path, spare = tmp_path / "m.h5", tmp_path / "m.h5.spare"
    path.write_bytes((models / "py38" / "plain.h5").read_bytes())
    spare.touch()
    outcomes = probe(path, "no landlock")
    assert outcomes.pop("read what it was given") == "done"
    assert outcomes.pop("remove a file by its name") == "done"
    assert not spare.exists()
    assert all(outcome.endswith("Error") for outcome in outcomes.values()), outcomes


def test_external_storage_does_not_leak_into_facts(tmp_path: Path) -> None:
    """A dataset that points at a secret file is named as a hazard, and the file's bytes are nowhere."""
    import h5py

    secret = tmp_path / "secret"
    secret.write_bytes(b"s3cret-content")
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("w", shape=(14,), dtype="u1", external=[(str(secret), 0, 14)])
    facts = inspect_path(path)
    assert [hazard.kind for hazard in facts.hazards] == [HazardKind.EXTERNAL_STORAGE]
    assert "s3cret-content" not in repr(facts)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["py38/compiled_trained.h5", "py313/lambda.keras", "py38/savedmodel_lambda"])
def test_the_parent_imports_no_parser_and_nobody_imports_keras(models: Path, name: str) -> None:
    """h5py and NumPy stay in the child; Keras and TensorFlow are nowhere, though they may be installed."""
    script = (
        "import sys, pathlib; from modelreg.inspect import inspect_path; from modelreg.facts import Container\n"
        "assert inspect_path(pathlib.Path(sys.argv[1])).container is not Container.OPAQUE\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'h5py', 'numpy', 'keras', 'tensorflow', 'tf_keras'}))\n"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-c", script, str(models / name)], capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout == "[]\n"
    child = (
        "import sys, modelreg.inspect.child, modelreg.inspect.hdf5, modelreg.inspect.saved_model\n"
        + script.split("\n")[2]
    )
    child += "\nprint(sorted(loaded & {'keras', 'tensorflow', 'tf_keras'}))\n"
    result = subprocess.run([sys.executable, "-I", "-c", child], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "[]\n"


def test_paths_that_are_no_artifact_are_usage_errors(tmp_path: Path, models: Path) -> None:
    """Nothing there, a pipe, and a folder with a symbolic link in it."""
    with pytest.raises(NotFoundError, match="there is no file or folder"):
        inspect_path(tmp_path / "absent")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="not a regular file"):
        inspect_path(tmp_path / "pipe")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link.h5").symlink_to(models / "py38" / "plain.h5")
    with pytest.raises(UsageError, match="symbolic link"):
        inspect_path(folder)


def test_facts_keep_the_artifacts_own_paths(tmp_path: Path, models: Path) -> None:
    """Relative to the artifact, never of this machine."""
    folder = tmp_path / "artifact" / "deep"
    folder.mkdir(parents=True)
    (folder / "model.h5").write_bytes((models / "py38" / "plain.h5").read_bytes())
    (tmp_path / "artifact" / "notes.txt").write_text("hello")
    facts = inspect_path(tmp_path / "artifact")
    assert isinstance(facts, Facts)
    assert facts.file == "deep/model.h5"
    assert {tensor.file for tensor in facts.tensors} == {"deep/model.h5"}
    assert str(tmp_path) not in repr(facts)
