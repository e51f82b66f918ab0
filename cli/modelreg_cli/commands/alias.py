"""``modelreg alias``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

import modelreg
from modelreg_cli import complete
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.passphrases import FromFile
from modelreg_cli.result import Column, Lines, Result, Table
from modelreg_cli.signing import KEY_ID_SHOWN, NoSign, PushKey, SignWith, key_of, unsigned
from modelreg_cli.wording import prefixed, uncovered

if TYPE_CHECKING:
    from modelreg import AliasMoved, Json, Move

app = new_app()

LIMIT = 100


@app.command()
@command
def alias(
    invocation: Invocation,
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REF|NAME",
            help="The version that the alias is to point at; with --delete and --history the model's name.",
            show_default=False,
            autocompletion=complete.references,
        ),
    ],
    alias: Annotated[
        str,
        typer.Argument(
            metavar="ALIAS", help="Such as production.", show_default=False, autocompletion=complete.aliases
        ),
    ],
    *,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why; the history tells it.", show_default=False)
    ] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the alias; the version stays.")] = False,
    expect: Annotated[
        str | None,
        typer.Option(
            "--expect",
            metavar="VERSION|none",
            help="Only if it points at this version now, or with none only if there is no such alias.",
            show_default=False,
        ),
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Show who moved it when, and why; NAME is the model's.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=0, metavar="N", help="Of the history; 0 for all of it.")] = LIMIT,
    sign: SignWith = None,
    no_sign: NoSign = False,
    passphrase_file: FromFile = None,
) -> Result:
    """Point an alias at a version, delete it, or show its history.

    An alias that is there already is moved; it says where it pointed before. With --expect nobody else's move is
    overwritten: if it points elsewhere, nothing is changed and the exit status is 1. Every move is a statement in the
    log, signed as a push is, so that clients can tell an alias that somebody put back.
    """
    expected = _expected(expect)
    if history:
        _refuse_with_history(delete=delete, expect=expect, reason=reason, sign=sign)
        with invocation.registry() as registry:
            return _history(registry.alias_history(_bare_name(reference), alias, limit=limit or None))
    given = {} if reason is None else {"reason": reason}
    with invocation.registry() as registry:
        key = key_of(invocation, sign, passphrase_file, no_sign=no_sign)
        if delete:
            model = _bare_name(reference, alias)
            return _result(registry.delete_alias(model, alias, expect=expected, signer=key.signer, **given), key)
        _, exactly = invocation.resolve(registry, reference)
        return _result(registry.alias(exactly, alias, expect=expected, signer=key.signer, **given), key)


def _refuse_with_history(**options: object) -> None:
    """``--history`` changes nothing, so that nothing goes with it which does."""
    for name, value in options.items():
        if value:
            raise modelreg.UsageError(f"--history only shows, and --{name} changes something", hint="give one of them")


def _expected(text: str | None) -> int | Literal["none"] | None:
    if text is None:
        return None
    if text == "none":
        return "none"
    if text.isascii() and text.isdigit() and 0 < len(text) <= 10:
        return int(text)
    raise modelreg.UsageError(f"--expect takes a version's number or none, not {text!r}", hint="--expect 3")


def _bare_name(text: str, alias: str = "ALIAS") -> str:
    """``text`` if it names a model and no version of it: an alias belongs to the model."""
    reference = modelreg.parse_reference(text)
    if str(reference) != reference.name:
        raise modelreg.UsageError(
            f"an alias belongs to a model, and {text!r} names a version",
            hint=f"give the model's name: {reference.name} {alias}",
        )
    return reference.name


def _result(moved: AliasMoved, key: PushKey) -> Result:
    before = "" if moved.before is None else f" (before: {moved.model}:{moved.before})"
    if moved.version is None:
        line = f"{moved.model}@{moved.alias} deleted{before}"
    else:
        line = f"{moved.model}@{moved.alias} -> {moved.model}:{moved.version}{before}"
    lines = [line]
    if moved.signed_by is not None:
        lines.append(f"signed by {key.name} ({moved.signed_by[:KEY_ID_SHOWN]})")
    return Result(
        schema="alias",
        value={
            "model": moved.model,
            "alias": moved.alias,
            "version": moved.version,
            "before": moved.before,
            "deleted": moved.version is None,
            "reason": moved.reason,
            "signed_by": moved.signed_by,
            "not_signed": key.why_not,
            "checkpoint_problem": moved.checkpoint_problem,
        },
        blocks=(Lines(tuple(lines)),),
        quiet=(f"{moved.model}@{moved.alias}",),
        notes=(*unsigned(key, "the move"), *uncovered(moved.checkpoint_problem)),
    )


_COLUMNS = (
    Column("NUMBER", right=True),
    Column("VERSION"),
    Column("WHEN"),
    Column("BY"),
    Column("SIGNERS"),
    Column("ENTRY", right=True),
    Column("REASON"),
)


def _history(moves: tuple[Move, ...]) -> Result:
    return Result(
        schema="alias-history",
        value={"moves": [_move_value(move) for move in moves]},
        blocks=(Table(_COLUMNS, [_row(move) for move in moves]),),
        quiet=tuple(f"sha256:{move.statement}" for move in moves),
        notes=("who signed is as the envelopes say; a pull and log audit verify",),
    )


def _row(move: Move) -> tuple[str, ...]:
    target = "deleted" if move.version is None else str(move.version)
    return (
        str(move.sequence),
        "damaged" if move.problem else target,
        move.moved_at,
        move.by,
        ",".join(signer[:KEY_ID_SHOWN] for signer in move.signed_by) or "-",
        "-" if move.position is None else str(move.position),
        move.problem or move.reason,
    )


def _move_value(move: Move) -> Json:
    value = modelreg.to_json(move)
    assert isinstance(value, dict)  # noqa: S101 - for the type checker
    return {**value, "digest": prefixed(move.digest), "statement": prefixed(move.statement)}
