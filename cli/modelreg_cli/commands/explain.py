"""``modelreg explain``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli import complete
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.result import Column, Fields, Lines, Result, Table

if TYPE_CHECKING:
    from modelreg import Json, Rule

app = new_app()

_COLUMNS = (Column("RULE"), Column("KIND"), Column("DEFAULT"), Column("EXIT", right=True), Column("TITLE"))


@app.command()
@command
def explain(
    invocation: Invocation,  # noqa: ARG001 - every command gets one
    rule: Annotated[
        str | None,
        typer.Argument(metavar="RULE", help="Such as MR401.", show_default=False, autocompletion=complete.rules),
    ] = None,
) -> Result:
    """Explain a rule, or list them all.

    Tells what the rule means, an example, what to do, and how far --allow, --strict and --verify bend it.
    """
    if rule is None:
        rules = list(modelreg.RULES.values())
        rows = [(r.id, r.kind.value, r.severity.value, str(r.kind.exit_bit), r.title) for r in rules]
        blocks: tuple[Table | Lines | Fields, ...] = (Table(_COLUMNS, rows),)
    else:
        rules = [modelreg.rule(rule)]
        blocks = _explained(rules[0])
    value: dict[str, Json] = {"rules": [_value(found) for found in rules]}
    return Result(schema="explain", value=value, blocks=blocks, quiet=tuple(found.id for found in rules))


def _explained(rule: Rule) -> tuple[Lines, Fields]:
    return (
        Lines((f"{rule.id}: {rule.title}", "", rule.meaning)),
        Fields(
            (
                ("example", rule.example),
                ("fix", rule.fix),
                ("kind", f"{rule.kind.value} (exit {rule.kind.exit_bit})"),
                ("by default", {"refuse": "refuses", "warn": "warns", "info": "informs"}[rule.severity.value]),
                ("bending", bending(rule)),
            )
        ),
    )


def bending(rule: Rule) -> str:
    """How far flags change what the rule does."""
    if rule.fixed:
        return "none: it guards the bytes themselves, and no flag turns it off"
    parts = [f"--allow {rule.id} lets it only inform", f"--strict {rule.id} lets it refuse"]
    if rule.severity.value == "warn":
        parts.append("--verify lets it refuse" if rule.escalates else "--verify leaves it a warning")
    return "; ".join([*parts, "--no-verify lets it only inform"])


def _value(rule: Rule) -> Json:
    value = modelreg.to_json(rule)
    assert isinstance(value, dict)  # noqa: S101 - for the type checker
    return {**value, "kind": rule.kind.value, "exit": rule.kind.exit_bit}
