"""``modelreg db``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import modelreg
from modelreg_cli.exits import COULD_NOT
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.result import Lines, Result
from modelreg_cli.wording import counted

if TYPE_CHECKING:
    from modelreg import Json, SchemaStatus

app = new_app("Show and upgrade the database's schema.")


@app.command()
@command
def status(invocation: Invocation) -> Result:
    """Show the schema revision that the database has, and the one that this program needs.

    The exit status is 1 if they differ. An absent database is not made.
    """
    settings = invocation.settings()
    found = modelreg.schema_status(settings)
    url = modelreg.masked(settings.database_url.value)
    if found.found is None:
        state = "no schema yet; the first push makes it, or modelreg db upgrade"
    elif found.is_current:
        state = f"schema revision {found.found}, current"
    else:
        state = f"schema revision {found.found}; this program needs {found.wanted}: modelreg db upgrade"
    return Result(
        schema="db-status",
        value=_value(url, found),
        blocks=(Lines((f"{url}: {state}",)),),
        quiet=(found.found or "none",),
        exit_status=0 if found.is_current or found.found is None else COULD_NOT,
    )


@app.command()
@command
def upgrade(invocation: Invocation) -> Result:
    """Bring the database's schema to what this program needs; make it if there is none."""
    settings = invocation.settings()
    before = modelreg.upgrade_schema(settings)
    url = modelreg.masked(settings.database_url.value)
    if before.is_current:
        line = f"{url}: schema revision {before.wanted} already, nothing to do"
    else:
        line = f"{url}: schema revision {before.found or 'none'} -> {before.wanted}"
    is_old = before.found is not None and not before.is_current
    return Result(
        schema="db-upgrade",
        value={**_value(url, before), "upgraded": not before.is_current},
        blocks=(Lines((line,)),),
        quiet=(before.wanted,),
        notes=("let the filters of list find the versions that were there: modelreg db reindex",) if is_old else (),
    )


@app.command()
@command
def reindex(invocation: Invocation) -> Result:
    """Let the filters of list find versions that an older modelreg indexed, by reading their manifests.

    The exit status is 1 if a manifest could not be read; modelreg verify says why. It can be run while others push.
    """
    with invocation.registry() as registry:
        done = registry.reindex()
    unreadable = tuple(f"{name}: its manifest is missing or damaged" for name in done.unreadable)
    return Result(
        schema="db-reindex",
        value={"filled": done.filled, "unreadable": list(done.unreadable)},
        blocks=(Lines((f"{counted(done.filled, 'version')} indexed", *unreadable)),),
        quiet=done.unreadable,
        exit_status=COULD_NOT if done.unreadable else 0,
    )


def _value(url: str, status: SchemaStatus) -> dict[str, Json]:
    return {"database": url, "found": status.found, "wanted": status.wanted, "current": status.is_current}
