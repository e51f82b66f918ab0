"""The options that every command has, and what they mean: the form of the output, and which registry it is about."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

import modelreg
from modelreg_cli.exits import ConfirmationError
from modelreg_cli.output import Form, Output
from modelreg_cli.result import Result
from modelreg_cli.terminal import is_terminal

if TYPE_CHECKING:
    from modelreg import IndexEntry, Lock, Registry, Settings


def new_app(help_text: str | None = None) -> typer.Typer:
    """The frame of a command's module; its help is plain text, since drawing it would cost more than all the rest."""
    app = typer.Typer(help=help_text, rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
    if help_text is not None:
        app.callback()(_group)
    return app


def _group() -> None:
    """Nothing of its own: a callback makes a group of even one command."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of a command: where its output goes, and the settings given as flags (by the settings' names)."""

    output: Output
    flags: Mapping[str, str]

    def settings(self) -> Settings:
        """Every setting, the flags above all others."""
        return modelreg.load_settings(self.flags)

    @contextlib.contextmanager
    def registry(self) -> Iterator[Registry]:
        """The registry, made on first use."""
        with modelreg.Registry.open(settings=self.settings()) as registry:
            yield registry

    def resolve(self, registry: Registry, reference: str, lock: Lock | None = None) -> tuple[IndexEntry, str]:
        """The version that ``reference`` names, told to the user, and a reference that can mean no other.

        With a ``lock`` file a name alone is the version that is locked.
        """
        entry = registry.resolve(reference if lock is None else modelreg.locked_reference(reference, lock))
        self.output.resolved(entry)
        return entry, f"{entry.model}:{entry.version}@sha256:{entry.digest}"

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before something is destroyed; raises ``ConfirmationError`` unless the answer is yes.

        Raises ``UsageError`` where nobody can be asked.
        """
        if yes:
            return
        if not is_terminal(sys.stdin):
            raise modelreg.UsageError(
                f"nobody can be asked here, standard input is no terminal: {question}", hint="the same with --yes"
            )
        if not typer.confirm(question, err=True):
            raise ConfirmationError("the answer was no; nothing was changed")


def _shared(
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object, also for an error.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only the digest, the path or the names; no warnings.")
    ] = False,
    home: Annotated[
        str | None, typer.Option("--home", metavar="DIR", help="Where the embedded registry lives [MODELREG_HOME].")
    ] = None,
    database: Annotated[
        str | None, typer.Option("--database", metavar="URL", help="The database [MODELREG_DATABASE_URL].")
    ] = None,
    store: Annotated[
        str | None, typer.Option("--store", metavar="URL", help="The store of blobs [MODELREG_STORAGE_URL].")
    ] = None,
) -> Invocation:
    form = Form.JSON if json else Form.QUIET if quiet else Form.TEXT
    given = {"home": home, "database_url": database, "storage_url": store}
    return Invocation(Output(form), {name: text for name, text in given.items() if text is not None})


_SHARED = inspect.signature(_shared).parameters


def command(function: Callable[..., Result]) -> Callable[..., int]:
    """Make a command of a function of an ``Invocation`` and the command's own arguments.

    The command has the shared options besides its own, prints the result and returns its exit status.
    """
    own = list(inspect.signature(function).parameters.values())[1:]
    hints = get_type_hints(_shared, include_extras=True) | get_type_hints(function, include_extras=True)

    @functools.wraps(function)
    def run(**given: Any) -> int:
        invocation = _shared(**{name: given.pop(name) for name in _SHARED})
        result = function(invocation, **given)
        invocation.output.result(result)
        return result.exit_status

    parameters = [
        parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in (*own, *_SHARED.values())
    ]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters} | {"return": int}
    run.__signature__ = inspect.Signature(parameters, return_annotation=int)  # type: ignore[attr-defined]
    return run
