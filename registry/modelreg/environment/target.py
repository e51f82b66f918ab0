"""What ``--target`` and ``--env`` accept, and the one environment that each value means."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from pathlib import Path

from modelreg.environment.capture import capture, expand, find_interpreter, is_file, is_folder
from modelreg.environment.document import DOCUMENT_SIZE_BYTES_MAX, Environment, from_document
from modelreg.errors import NotFoundError, UsageError

FORMS = (
    "accepted are: none; current; a document made by modelreg env capture; an interpreter's path, a virtual "
    "environment's folder or a name on PATH such as python3.8; a requirements, pip freeze or lock file that holds a "
    "line like # python==3.11.7, or written as FILE@3.11"
)
_EXECUTABLE_STARTS = (
    b"#!",
    b"\x7fELF",
    b"MZ",
    *(bytes.fromhex(magic) for magic in ("cffaedfe", "cefaedfe", "feedfacf", "feedface", "cafebabe")),
)
"""A script's first line, ELF, Windows, and Mach-O in either byte order, thin or universal."""
_WITH_PYTHON = re.compile(r"(?P<file>.+)@(?P<python>[^@/\\]+)", re.DOTALL)


def resolve_target(text: str, *, modules: Iterable[str] = ()) -> Environment | None:
    """The environment that ``text`` means, or ``None`` for ``none``.

    What a path means is told by the file's content, not by its name; ``modules`` matter where an interpreter is asked.
    A requirement text that tells no Python gives an environment whose ``python`` is ``None``.  Raises ``UsageError``
    for a value that nothing fits, naming the accepted forms, and ``DocumentError`` for a broken document.
    """
    if text == "none":
        return None
    if text == "current":
        return capture(modules=modules)
    if is_file(text):
        return _from_file(expand(text), text, None, modules)
    told = _WITH_PYTHON.fullmatch(text)
    if told is not None and is_file(told["file"]):
        return _from_file(expand(told["file"]), told["file"], told["python"], modules)
    interpreter = find_interpreter(text)
    if interpreter is not None:
        return capture(str(interpreter), modules=modules)
    raise _nothing_fits(text)


def interpreter_of_target(text: str) -> Path | None:
    """The interpreter that the target ``text`` asks; ``None`` for this one and for a target that describes another."""
    if text in ("none", "current"):
        return None
    if is_file(text):
        path = expand(text)
        return path.absolute() if _read(path, text).startswith(_EXECUTABLE_STARTS) else None
    return None if _WITH_PYTHON.fullmatch(text) and not is_folder(text) else find_interpreter(text)


def _nothing_fits(text: str) -> UsageError:
    if is_folder(text):
        return UsageError(f"{text!r} is a folder without bin/python, so no virtual environment", hint=FORMS)
    return UsageError(f"{text!r} names no environment: no such file, and no Python on PATH", hint=FORMS)


def _from_file(path: Path, name: str, python: str | None, modules: Iterable[str]) -> Environment:
    data = _read(path, name)
    if data.startswith(_EXECUTABLE_STARTS):
        if python is not None:
            raise UsageError(f"{name} is an interpreter and tells its Python itself", hint=f"give just {name}")
        return capture(str(path.absolute()), modules=modules)
    if len(data) > DOCUMENT_SIZE_BYTES_MAX:
        raise UsageError(
            f"{name} is over {DOCUMENT_SIZE_BYTES_MAX:,} bytes, so no document, requirements or lock", hint=FORMS
        )
    if data.lstrip().startswith(b"{"):
        if python is not None:
            raise UsageError(f"{name} is a document and tells its Python itself", hint=f"give just {name}")
        return from_document(data, what=name)
    from modelreg.environment.requirements import read_requirements

    return read_requirements(_decode(data, name), what=name, python=python)


def _read(path: Path, name: str) -> bytes:
    """The bytes up to one past the bound, enough to tell an executable of any size."""
    try:
        with path.open("rb") as stream:
            return stream.read(DOCUMENT_SIZE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise NotFoundError(f"{name} has just gone away") from None
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror or error}") from None


def _decode(data: bytes, name: str) -> str:
    """UTF-8, or what a byte order mark says: PowerShell's ``pip freeze > FILE`` writes UTF-16."""
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageError(f"{name} is no text, hence no requirements or lock, and no program either", hint=FORMS)
    return text
