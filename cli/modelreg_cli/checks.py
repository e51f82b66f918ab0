"""The options that say how strictly to judge, shared by ``pull``, ``verify`` and ``show``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli import complete

if TYPE_CHECKING:
    from modelreg import Checks, Lock

Target = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="ENV",
        help="Judge for this environment: current, none, a document, an interpreter, or a lock file (FILE@3.11).",
    ),
]
Verify = Annotated[
    bool | None,
    typer.Option(
        "--verify/--no-verify",
        show_default=False,
        help="Refuse what would only warn, or report it only. The bytes are always verified.",
    ),
]
Strict = Annotated[
    list[str] | None,
    typer.Option("--strict", metavar="RULE", help="Let this rule refuse.", autocompletion=complete.rules),
]
Allow = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="RULE", help="Let this rule only inform.", autocompletion=complete.rules),
]
Provides = Annotated[
    str | None,
    typer.Option(
        "--provides",
        metavar="none|NAME,...|MODULE",
        help="The custom objects that the loading program has: their names, or a dotted module or .py file whose "
        "source defines them (it is not run); none for none.",
    ),
]
Locked = Annotated[
    bool, typer.Option("--locked", help="Take exactly what modelreg.lock holds, and refuse anything else.")
]
LockFile = Annotated[
    str | None,
    typer.Option("--lock-file", metavar="FILE", help="That lock file; by default the nearest one above this folder."),
]
Full = Annotated[bool, typer.Option("--full", help="Check the SHA-256 of every file too, not its chunks alone.")]
REFERENCE_HELP = "NAME, NAME:VERSION, NAME@ALIAS or NAME@sha256:DIGEST."
Reference = Annotated[
    str, typer.Argument(metavar="REF", help=REFERENCE_HELP, show_default=False, autocompletion=complete.references)
]


def checks_of(
    *,
    target: str | None = None,
    verify: bool | None = None,
    strict: list[str] | None = None,
    allow: list[str] | None = None,
    provides: str | None = None,
    lock: Lock | None = None,
) -> Checks:
    """The library's keyword arguments for what was typed."""
    modes = {None: modelreg.Mode.DEFAULT, True: modelreg.Mode.VERIFY, False: modelreg.Mode.NO_VERIFY}
    names = None if provides is None else tuple(part.strip() for part in provides.split(",") if part.strip())
    if names == () and provides is not None:
        raise modelreg.UsageError(f"--provides {provides!r} names nothing", hint="--provides none says so")
    return {
        "mode": modes[verify],
        "target": target,
        "strict": strict or (),
        "allow": allow or (),
        "provides": () if names == ("none",) else names,
        "lock": lock,
    }


def alias_of(reference: str) -> str | None:
    """The alias by which a version is asked for: a log that is trusted must tell the same of it as the database."""
    return modelreg.parse_reference(reference).alias


def lock_of(*, locked: bool, lock_file: str | None) -> Lock | None:
    """The lock file that was asked for; raises ``NotFoundError`` where there is none."""
    return modelreg.read_lock(modelreg.find_lock(lock_file, Path.cwd())) if locked or lock_file else None
