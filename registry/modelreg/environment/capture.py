"""The capture of an environment: the probe run in this interpreter, or as a child in any other.

Invariants:

* A child gets no standard input, and is bounded as ``processes`` says: ``OUTPUT_SIZE_BYTES_MAX``, ``timeout_s``.
* A program that turns out to be no Python is given a *file*, never program text: a shell would run the text.
* That file lies alone in a private folder, so that nothing beside it can stand in for a standard module.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from modelreg.environment.document import DOCUMENT_SIZE_BYTES_MAX, Environment, from_document
from modelreg.errors import DocumentError, UsageError
from modelreg.processes import Ended, run_bounded
from modelreg.records import Json, from_json

MODULES_MAX = 256
OUTPUT_SIZE_BYTES_MAX = DOCUMENT_SIZE_BYTES_MAX
_PYTHON_NAME = re.compile(r"(python|pypy|graalpy)[\w.-]*", re.ASCII)
_HINT = (
    "give the path of a python executable, the folder of a virtual environment, or a name on PATH such as python3.11"
)


def capture(python: str | None = None, *, modules: Iterable[str] = (), timeout_s: float = 60) -> Environment:
    """Describe this interpreter, or the one at ``python``: a path, a virtual environment's folder, a name on PATH.

    ``modules`` are the dotted names whose distributions are wanted besides those that always matter; one that cannot be
    imported there, or stands behind the first 256 in order of name, is left out of the result, as not known.
    TensorFlow and Keras are never imported.  Raises ``UsageError`` where ``python`` is no interpreter or does not
    answer in time, ``DocumentError`` where its answer is not to be understood.
    """
    wanted = sorted({name for name in modules if all(part.isidentifier() for part in name.split("."))})
    del wanted[MODULES_MAX:]
    if python is None:
        from modelreg.environment import probe

        return from_json(Environment, cast(Json, probe.describe(wanted)), what="the description of this interpreter")
    executable = find_interpreter(python)
    if executable is None:
        raise UsageError(f"{python!r} is no interpreter: neither a path nor a name on PATH", hint=_HINT)
    return _understand(executable, _run_probe(executable, wanted, timeout_s), timeout_s)


def find_interpreter(text: str) -> Path | None:
    """The executable that ``text`` names, or ``None``; raises ``UsageError`` for a file that cannot be executed.

    Of the names on PATH only those of Pythons are looked up: a slip of the pen must not start just any program.
    """
    on_path = shutil.which(text) if _PYTHON_NAME.fullmatch(text) else None
    if on_path is not None:
        return Path(on_path)
    path = expand(text)
    if is_folder(text):
        places = (path / "bin" / "python", path / "bin" / "python3", path / "Scripts" / "python.exe")
        return next((place.absolute() for place in places if os.access(place, os.X_OK)), None)
    if not is_file(text):
        return None
    if not os.access(path, os.X_OK):
        raise UsageError(f"{text} is a file that may not be executed, hence no interpreter", hint=_HINT)
    return path.absolute()


def expand(text: str) -> Path:
    """The path that ``text`` names, ``~`` expanded where it can be."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 - pathlib raises for the home of nobody


def is_file(text: str) -> bool:
    """Whether ``text`` names a file; a text that cannot even be a path (too long, a NUL) names none."""
    return os.path.isfile(expand(text))


def is_folder(text: str) -> bool:
    """Whether ``text`` names a folder, likewise; nothing at all is not the current one."""
    return text != "" and os.path.isdir(expand(text))  # noqa: PTH112


def _run_probe(executable: Path, modules: list[str], timeout_s: float) -> Ended:
    import tempfile
    from importlib import resources

    with tempfile.TemporaryDirectory(prefix="modelreg-probe-") as folder:
        script = Path(folder, "probe.py")
        script.write_bytes(resources.files("modelreg.environment").joinpath("probe.py").read_bytes())
        return _run([str(executable), "-B", "-E", "-s", str(script), *modules], timeout_s)


def _run(command: list[str], timeout_s: float) -> Ended:
    # macOS: this variable makes a framework Python take itself for the virtual environment that we run in.
    environ = {key: value for key, value in os.environ.items() if key != "__PYVENV_LAUNCHER__"}
    try:
        return run_bounded(command, timeout_s=timeout_s, output_size_bytes_max=OUTPUT_SIZE_BYTES_MAX, environ=environ)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{command[0]} cannot be started as an interpreter: {reason}", hint=_HINT) from None


def _reason(complaint: str) -> str:
    """The telling line of what a program wrote to its standard error: the last of a traceback, else the first."""
    lines = [line.strip() for line in complaint.splitlines() if line.strip()] or ["it said nothing"]
    return lines[-1 if "Traceback" in complaint else 0][:200]


def _understand(executable: Path, answer: Ended, timeout_s: float) -> Environment:
    """The document in ``answer``: its last line, since a start-up file of that Python may print above it."""
    try_it = f"{executable} -E -s -c 'import sys; print(sys.version)'"
    if len(answer.output) > OUTPUT_SIZE_BYTES_MAX:
        bound = f"{OUTPUT_SIZE_BYTES_MAX:,} bytes"
        raise DocumentError(f"{executable} printed more than {bound}; is it an interpreter?", hint=f"try: {try_it}")
    if answer.status is None:
        raise UsageError(f"{executable} did not answer within {timeout_s:g} s", hint=f"try: {try_it}")
    if answer.status != 0:
        reason = _reason(answer.complaint.decode("utf-8", "replace"))
        raise UsageError(f"{executable} is no working Python, status {answer.status}: {reason}", hint=f"try: {try_it}")
    line = answer.output.strip().rpartition(b"\n")[2]
    try:
        return from_document(line, what=f"what {executable} printed")
    except DocumentError as error:
        raise DocumentError(f"{error.message}; is it a Python?", hint=f"try: {try_it}") from None
