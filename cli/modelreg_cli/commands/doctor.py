"""``modelreg doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import modelreg
from modelreg_cli.exits import COULD_NOT
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.result import Column, Result, Table

if TYPE_CHECKING:
    from modelreg import Check, Json

app = new_app()

_STATES = {True: "ok", False: "FAILED", None: "-"}


@app.command()
@command
def doctor(invocation: Invocation) -> Result:
    """Say whether the registry can be used, and what is in the way.

    Checks the versions, the database's schema, that the store can be written and is create-only, and the clock.
    Nothing of the registry is made or changed; what an S3 server was found to do is kept in the home, to be compared
    the next time. The exit status is 1 if a check failed.
    """
    checks = list(modelreg.examine(invocation.settings()))
    failed = [check for check in checks if check.ok is False]
    value: dict[str, Json] = {"ok": not failed, "checks": [modelreg.to_json(check) for check in checks]}
    return Result(
        schema="doctor",
        value=value,
        blocks=(Table((Column("CHECK"), Column("STATE"), Column("DETAIL")), [_row(check) for check in checks]),),
        quiet=tuple(check.name for check in failed),
        notes=tuple(f"hint: {check.name}: {check.hint}" for check in failed if check.hint),
        exit_status=COULD_NOT if failed else 0,
    )


def _row(check: Check) -> tuple[str, str, str]:
    return check.name, _STATES[check.ok], check.detail
