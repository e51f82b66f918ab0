"""The parent's side of a replay: starts an interpreter on the standalone package and turns what happens into a value.

Invariants:

* Keras never runs in this process, and whatever the child does (raise, hang, die by a signal, print) is an outcome.
* What the child answers is bounded and distrusted: it ran the model, which may have run anything.
* The child and its own children are dead when ``run_predictions`` returns, and its private folder is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from modelreg.environment.capture import find_interpreter
from modelreg.errors import PlacementError, UsageError
from modelreg.facts import Container
from modelreg.files import advice_on, reason_of
from modelreg.manifest import GOLDEN_SIZE_BYTES_MAX
from modelreg.parallel import undisturbed
from modelreg.processes import end_group
from modelreg.records import to_json
from modelreg.replay.answer import ANSWER_NAME, GOLDEN_NAME, Ending, understand
from modelreg.replay.run import Making, PredictionRun

PACKAGE = "modelreg_replay"
"""What the copy is called in the child: no package of a user has this name."""
TIMEOUT_S = 600.0
TAIL_SIZE_BYTES = 64 * 1024
"""Kept of what the child prints: the last of it names the reason."""
_LEFT_OUT = ("__PYVENV_LAUNCHER__", "PYTHONSAFEPATH")
"""Of our environment: the first misleads Pythons on macOS, the second keeps ``-m`` from its folder."""
_DRAIN_S = 5.0
"""For what is left in the pipe once everybody that we know is dead."""
_ORPHAN_S = 60
"""The child ends itself this much later than the parent would end it."""
_CANONICAL_NAMES = {Container.KERAS_HDF5: "model.h5", Container.KERAS_ZIP: "model.keras"}
"""Keras picks its reader by suffix, so it is given a name with the suffix of what the bytes are."""


def run_predictions(  # noqa: PLR0913 - each is a word of the request
    executable: Path | None,
    model: Path,
    container: Container,
    task: Making | Path,
    *,
    custom_objects: tuple[str, ...] = (),
    imports: tuple[Path, ...] = (),
    safe_mode: bool = True,
    tolerance: str | None = None,
    timeout_s: float = TIMEOUT_S,
) -> PredictionRun:
    """Load ``model`` (a file, or a SavedModel's folder) in ``executable``'s Keras and predict.

    ``task`` says what: make golden predictions, or compute those of a golden file again and compare.  ``executable`` is
    ``None`` for this interpreter.  ``custom_objects`` name modules, or files that end in ``.py``, that define what
    the model needs; ``imports`` are ``.py`` files that register it with Keras when they are imported.  With
    ``safe_mode`` Keras is asked to run no stored bytecode; Keras before 2.13, and every Keras 2 with HDF5, does so all
    the same, which is for the caller to have judged.  Raises ``UsageError`` for an executable that cannot be started;
    all else is an outcome.
    """
    with private_folder("run") as folder:
        _copy_package(folder / PACKAGE)
        request = {
            "model": str(_presentable(model, container, folder)),
            "container": container.value,
            "custom_objects": [_absolute(name) for name in custom_objects],
            "imports": [str(path.absolute()) for path in imports],
            "search": [os.getcwd()] if custom_objects else [],  # noqa: PTH109 - a text is sent
            "safe_mode": safe_mode,
            "golden": None if isinstance(task, Making) else str(task.absolute()),
            "tolerance": tolerance,
            "size_bytes_max": GOLDEN_SIZE_BYTES_MAX,
            "make": _making(task, folder) if isinstance(task, Making) else None,
            "alarm_s": int(timeout_s) + _ORPHAN_S,
        }
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        ending = _run(_command(executable), folder, timeout_s)
        return understand(ending, folder, timeout_s)


@contextlib.contextmanager
def private_folder(purpose: str) -> Iterator[Path]:
    """A folder that nobody else has a name for, gone at the end; raises ``PlacementError`` where none can be made."""
    import shutil
    import tempfile

    place = tempfile.gettempdir()
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"modelreg-{purpose}-"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise PlacementError(
            f"cannot write to {place!r}: {reason_of(error)}", hint=advice_on(error, "set TMPDIR to another place")
        ) from error


def interpreter_of(text: str | None) -> Path | None:
    """The executable that ``text`` names (a path, a virtual environment's folder, a name on PATH); ``None`` for none.

    Raises ``UsageError`` for a text that names no interpreter.
    """
    if text is None:
        return None
    found = find_interpreter(text)
    if found is None:
        raise UsageError(
            f"{text!r} is no interpreter: neither a path nor a name on PATH",
            hint="give the path of a python executable or the folder of a virtual environment",
        )
    return found


def _copy_package(target: Path) -> None:
    from importlib import resources

    target.mkdir()
    for source in resources.files("modelreg.replay").joinpath("standalone").iterdir():
        if source.name.endswith(".py"):
            (target / source.name).write_bytes(source.read_bytes())


def _presentable(model: Path, container: Container, folder: Path) -> Path:
    """``model`` under a name by which Keras takes it for what it is."""
    wanted = _CANONICAL_NAMES.get(container)
    model = model.absolute()
    if wanted is None or model.suffix == Path(wanted).suffix:
        return model
    (folder / wanted).symlink_to(model)
    return folder / wanted


def _absolute(name: str) -> str:
    return str(Path(name).absolute()) if name.endswith(".py") else name


def _making(task: Making, folder: Path) -> dict[str, object]:
    return {
        "samples": task.samples,
        "seed": task.seed,
        "tolerance": task.tolerance,
        "hints": {name: to_json(hint) for name, hint in task.hints.items()},
        "destination": str(folder / GOLDEN_NAME),
        "size_bytes_max": GOLDEN_SIZE_BYTES_MAX,
    }


def _command(executable: Path | None) -> list[str]:
    """This interpreter as it is; another without what the environment of this one says of folders (as ``capture``)."""
    start = [sys.executable, "-B"] if executable is None else [str(executable), "-B", "-E", "-s"]
    return [*start, "-m", PACKAGE, "request.json", ANSWER_NAME]


# --- the child --------------------------------------------------------------------------------------------------------


def _run(command: list[str], folder: Path, timeout_s: float) -> Ending:
    environ = {key: value for key, value in os.environ.items() if key not in _LEFT_OUT}
    environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        process = subprocess.Popen(  # noqa: S603 - the caller's own choice of interpreter, without a shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environ,
            start_new_session=True,
        )
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{command[0]} cannot be started as an interpreter: {reason}") from None
    tail = bytearray()
    reader = threading.Thread(target=_drain, args=(process, tail), daemon=True)
    try:
        with undisturbed():
            reader.start()
        status: int | None = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        status = None
    finally:
        end_group(process)
        process.wait()
        with undisturbed():
            reader.join(_DRAIN_S)
    return Ending(status, bytes(tail).decode("utf-8", "replace"))


def _drain(process: subprocess.Popen[bytes], tail: bytearray) -> None:
    """Read all that is printed, so that nobody waits for us, and keep the end of it."""
    assert process.stdout is not None  # noqa: S101 - for the type checker
    with process.stdout as stream:
        while chunk := os.read(stream.fileno(), 65536):
            tail += chunk
            del tail[:-TAIL_SIZE_BYTES]
