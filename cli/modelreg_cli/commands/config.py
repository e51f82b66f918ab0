"""``modelreg config``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import modelreg
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.result import Column, Result, Table

if TYPE_CHECKING:
    from modelreg import Json

app = new_app("Show every setting and where its value comes from.")


@app.command()
@command
def show(invocation: Invocation) -> Result:
    """Show every setting, its value and where that comes from.

    A flag beats the environment, which beats the project's modelreg.toml, then the user's config.toml, then the
    default. Passwords and secrets in URLs are not shown.
    """
    settings = [(setting.name, _safe(setting.value), setting.source) for setting in invocation.settings()]
    value: dict[str, Json] = {
        "settings": [{"name": name, "value": value, "source": source} for name, value, source in settings]
    }
    rows = [(name, _shown(name, value), source) for name, value, source in settings]
    return Result(
        schema="config",
        value=value,
        blocks=(Table((Column("SETTING"), Column("VALUE"), Column("SOURCE")), rows),),
        quiet=tuple(name for name, _, _ in settings),
    )


def _safe(value: object) -> Json:
    match value:
        case None | bool():
            return value
        case tuple():
            return [str(item) for item in value]
    return modelreg.masked(str(value))


def _shown(name: str, value: Json) -> str:
    match value:
        case None:
            return "not known" if name == "provides" else "none"
        case bool():
            return "true" if value else "false"
        case list():
            return ", ".join(str(item) for item in value) or "none"
    return str(value)
