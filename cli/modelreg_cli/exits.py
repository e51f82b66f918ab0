"""Exit statuses: the table of the documentation, and what each exception becomes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

import modelreg
from modelreg import ModelregError

if TYPE_CHECKING:
    from modelreg import Json, Verdict

TABLE = (
    (0, "done, or passed (warnings included)"),
    (1, "could not do or could not check: store or database unreachable, disk full, internal error"),
    (2, "usage"),
    (3, "no such model, version, alias or file"),
    (4, "refused by policy (a withdrawn version, say)"),
    (5, "diff --exit-code: weights or architecture differ"),
    (8, "refused as corrupt: bytes are not what was pushed, or are no model"),
    (16, "refused as untrusted: a signature is demanded and not there"),
    (32, "refused as unsafe: content that executes, reaches out or exhausts"),
    (64, "refused as incompatible with the target environment"),
    (130, "interrupted"),
)
"""4, 8, 16, 32 and 64 are summed when a verdict refuses for several reasons: 96 is unsafe and incompatible."""

COULD_NOT = 1
USAGE = 2
DIFFERENT = 5
"""No sum of kinds of refusal, which are multiples of four."""
CORRUPT = 8
"""As a verdict's, of what ``fsck`` and ``db rebuild`` find wrong or lost."""
INTERRUPTED = 130
DEBUG_VARIABLE = "MODELREG_DEBUG"


class OutputClosedError(Exception):
    """Whoever read our standard output has gone away, as ``head`` does; nobody is left to be told."""


class OutputError(ModelregError):
    """Our own output could not be written: a full disk behind ``>``."""

    code = "output"


class ConfirmationError(ModelregError):
    """A question was not answered with yes; nothing was changed."""

    code = "not-confirmed"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a command failed, and its exit status."""

    code: str
    message: str
    hint: str | None
    exit_status: int
    verdict: Verdict | None = None

    @property
    def document(self) -> dict[str, Json]:
        """The JSON object of an error."""
        return {
            "schema": "modelreg.error/v1",
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "exit": self.exit_status,
            "verdict": None if self.verdict is None else self.verdict.to_json(),
        }


INTERRUPTION = Failure("interrupted", "interrupted", None, INTERRUPTED)


def failure_of(error: BaseException, *, command: str = "modelreg") -> Failure:
    """What ``error`` means to whoever typed ``command``."""
    import typer

    match error:
        case ModelregError():
            verdict = getattr(error, "verdict", None)
            return Failure(error.code, error.message, error.hint, error.exit_status, verdict)
        case typer.TyperException():
            return _usage(error.format_message(), command)
        case KeyboardInterrupt():
            return INTERRUPTION
        case typer.Abort():
            return Failure("not-confirmed", "no answer was given; nothing was changed", None, COULD_NOT)
    return _internal_error(error)


def _usage(message: str, command: str) -> Failure:
    """The parser's complaint in our own form: one sentence, small letter first, no full stop."""
    sentence = " ".join(message.split()).rstrip(".")
    return Failure("usage", sentence[:1].lower() + sentence[1:], f"{command} --help", USAGE)


def _internal_error(error: BaseException) -> Failure:
    """A bug; what somebody else's code says of it may hold a URL with a password."""
    if os.environ.get(DEBUG_VARIABLE):
        sys.stderr.write(modelreg.masked("".join(traceback.format_exception(error))))
    message = modelreg.masked(f"internal error: {type(error).__name__}: {error}")
    hint = f"set {DEBUG_VARIABLE}=1 to see where, and report it: this is a bug in modelreg"
    return Failure("internal", message, hint, COULD_NOT)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP as KeyboardInterrupt, so that every cleanup runs; the handlers are put back at the end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:  # nohup's wish to be left alone is respected
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def silence_standard_output() -> None:
    """Point standard output nowhere, so that the interpreter's last flush does not complain of a closed pipe."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
