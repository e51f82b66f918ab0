"""``modelreg fsck``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

import modelreg
from modelreg_cli.exits import CORRUPT, COULD_NOT
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.progress import progress
from modelreg_cli.result import Lines, Result
from modelreg_cli.wording import counted, prefixed, size

if TYPE_CHECKING:
    from modelreg import Checked, Healed, Healing, Json, Problem

app = new_app()

READ_DATA = "--read-data"
ALL = "100%"


class _ReadDataCommand(TyperCommand):
    """``--read-data`` may stand alone: it means all of it then, and a share is written behind ``=`` only."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Complete the option before it is parsed, since the parser knows no option whose value may be left out."""
        return super().parse_args(ctx, [f"{READ_DATA}={ALL}" if word == READ_DATA else word for word in args])


@app.command(cls=_ReadDataCommand)
@command
def fsck(
    invocation: Invocation,
    *,
    read_data: Annotated[
        str | None,
        typer.Option(
            READ_DATA,
            metavar="[=5%]",
            help="Read every blob to its end too, or with =5% the share of the day.",
            show_default=False,
        ),
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended.")] = False,
    sources: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="URL|FOLDER",
            help="Where good blobs are: another store, or a pulled folder; several are tried in turn.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what --repair would try; change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> Result:
    """Check rows, manifests and blobs against each other, and mend what is damaged.

    The exit status is 8 if anything is corrupt and not mended. A blob is replaced only by bytes that have its SHA-256;
    a row is written anew only from a manifest that has the digest in that row. Blobs that no version needs are told
    and are no corruption: gc removes them.
    """
    share = 0.0 if read_data is None else modelreg.parse_share(read_data)
    if (sources or dry_run) and not repair:
        raise modelreg.UsageError(
            f"{'--from' if sources else '--dry-run'} says something about --repair, which was not given",
            hint="modelreg fsck --repair ...",
        )
    settings = invocation.settings()
    if modelreg.schema_status(settings).found is None:
        raise modelreg.SchemaRevisionError(
            f"the database {modelreg.masked(settings.database_url.value)} is empty, so there is nothing to check by",
            hint="if it was lost: modelreg db rebuild, and no gc before",
        )
    healed = None
    with modelreg.Registry.open(settings=settings, create=False) as registry:
        with progress(invocation.output, "checking", None) as advance:
            checked = registry.fsck(share=share, progress=advance)
        if repair and checked.problems:
            if not dry_run and checked.healable:
                invocation.confirm(_question(checked), yes=yes)
            with progress(invocation.output, "mending", None) as advance:
                healed = registry.heal(checked, sources or (), dry_run=dry_run, progress=advance)
    return Result(
        schema="fsck",
        value=_value(checked, healed),
        blocks=(Lines(tuple(_lines(checked, healed))),),
        quiet=tuple(dict.fromkeys(name for problem in _left(checked, healed) for name in problem.versions)),
        exit_status=_exit_status(_left(checked, healed)),
    )


def _question(checked: Checked) -> str:
    blobs = sum(1 for problem in checked.healable if problem.need is not None)
    rows = len(checked.healable) - blobs
    replaced = f"replace {counted(blobs, 'blob')} by verified bytes" if blobs else ""
    rewritten = f"rewrite {counted(rows, 'row')}" if rows else ""
    question = " and ".join(filter(None, (replaced, rewritten)))
    return f"{question.capitalize()}?"


def _left(checked: Checked, healed: Healed | None) -> tuple[Problem, ...]:
    """What is wrong still."""
    if healed is None or healed.dry_run:
        return checked.problems
    return tuple(healing.problem for healing in healed.healings if not healing.done)


def _exit_status(problems: tuple[Problem, ...]) -> int:
    """Corrupt, or only not to be checked; a blob that cannot be read can be either."""
    if any(problem.kind is not modelreg.ProblemKind.UNREADABLE_BLOB for problem in problems):
        return CORRUPT
    return COULD_NOT if problems else 0


# --- for a person -----------------------------------------------------------------------------------------------------


def _lines(checked: Checked, healed: Healed | None) -> list[str]:
    if healed is None:
        lines = [line for problem in checked.problems for line in _problem_lines(problem)]
    else:
        lines = [line for healing in healed.healings for line in _healing_lines(healing, dry_run=healed.dry_run)]
    return [*lines, _looked_at(checked), *_beside(checked), _conclusion(checked, healed)]


def _problem_lines(problem: Problem) -> list[str]:
    line = f"{problem.kind.value}: {problem.message}"
    return [line, *_more_versions(problem), *([f"    fix: {problem.fix}"] if problem.fix else [])]


def _more_versions(problem: Problem) -> list[str]:
    return [f"    versions: {', '.join(problem.versions)}"] if len(problem.versions) > 1 else []


def _healing_lines(healing: Healing, *, dry_run: bool) -> list[str]:
    line = f"{healing.problem.kind.value}: {healing.problem.message}"
    verb = ("mended" if healing.done else "NOT mended") if not dry_run else "plan" if healing.done else "no way"
    return [line, *_more_versions(healing.problem), f"    {verb}: {healing.how}"]


def _looked_at(checked: Checked) -> str:
    versions = f"{counted(checked.versions, 'version')} of {counted(checked.models, 'model')}"
    looked = f"{versions}, {counted(checked.blobs, 'blob')}"
    if not checked.share:
        return f"{looked}; bytes of files were not read (--read-data)"
    return f"{looked}; read {counted(checked.read_blobs, 'blob')} to the end, {size(checked.read_bytes)}"


def _beside(checked: Checked) -> list[str]:
    lines = []
    if checked.orphans:
        told = f"{counted(len(checked.orphans), 'blob')} of {size(checked.orphan_bytes)} belong to no version"
        lines.append(f"info: {told}: modelreg gc")
    if checked.unlisted:
        told = f"{counted(len(checked.unlisted), 'manifest')} among them"
        lines.append(
            f"info: {told}, of pushes that died or of rows that were lost: modelreg db rebuild --add --dry-run"
        )
    if checked.leftovers:
        told = f"{counted(checked.leftovers, 'leftover')} of {size(checked.leftover_bytes)}"
        lines.append(f"info: {told} of pushes that died: modelreg gc")
    return lines + [f"info: at work since {lease.begun_at}: {lease.holder}" for lease in checked.leases]


def _conclusion(checked: Checked, healed: Healed | None) -> str:
    if checked.is_clean:
        return "clean: nothing is corrupt"
    if healed is None:
        return f"CORRUPT: {counted(len(checked.problems), 'problem')}"
    done = sum(1 for healing in healed.healings if healing.done)
    if healed.dry_run:
        return f"CORRUPT: {done} of {counted(len(healed.healings), 'problem')} would be tried; nothing was changed"
    left = len(healed.healings) - done
    return f"{counted(done, 'problem')} mended, {left or 'none'} left"


# --- for a program ----------------------------------------------------------------------------------------------------


def _value(checked: Checked, healed: Healed | None) -> dict[str, Json]:
    problems = checked.problems if healed is None else tuple(healing.problem for healing in healed.healings)
    healings = (None,) * len(problems) if healed is None else healed.healings
    return {
        "clean": not _left(checked, healed),
        "models": checked.models,
        "versions": checked.versions,
        "blobs": checked.blobs,
        "read_share_percent": f"{checked.share * 100:g}",
        "read_blobs": checked.read_blobs,
        "read_bytes": checked.read_bytes,
        "problems": [_problem_value(problem, healing) for problem, healing in zip(problems, healings, strict=True)],
        "orphans": {
            "blobs": [f"sha256:{digest}" for digest in checked.orphans],
            "size_bytes": checked.orphan_bytes,
            "manifests": [f"sha256:{digest}" for digest in checked.unlisted],
        },
        "leftovers": {"count": checked.leftovers, "size_bytes": checked.leftover_bytes},
        "leases": [modelreg.to_json(lease) for lease in checked.leases],
        "repair": healed is not None,
        "dry_run": healed is not None and healed.dry_run,
    }


def _problem_value(problem: Problem, healing: Healing | None) -> dict[str, Json]:
    return {
        "kind": problem.kind.value,
        "message": problem.message,
        "versions": list(problem.versions),
        "blob": prefixed(problem.blob),
        "fix": problem.fix,
        "mended": None if healing is None else healing.done,
        "how": None if healing is None else healing.how,
    }
