"""``modelreg log``.  Longer than 400 lines, a function a command and its options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli import complete
from modelreg_cli.checks import REFERENCE_HELP, Reference
from modelreg_cli.exits import CORRUPT
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.passphrases import FromFile
from modelreg_cli.progress import progress
from modelreg_cli.result import Column, Lines, Result, Table
from modelreg_cli.signing import KEY_ID_SHOWN, unlocked
from modelreg_cli.wording import counted, prefixed

if TYPE_CHECKING:
    from modelreg import Json, LogAudit, LogChecked, LogFinding, LogHead, LogLine

app = new_app("Show, sign, prove and audit the log of everything that was pushed.")

LIMIT = 1000

Key = Annotated[
    list[str] | None,
    typer.Option("--key", metavar="VKEY", help="The log's public key, as log key prints it.", show_default=False),
]
Out = Annotated[
    str | None, typer.Option("--out", "-o", metavar="FILE", help="A file that is made or replaced.", show_default=False)
]

_COLUMNS = (
    Column("ENTRY", right=True),
    Column("KIND"),
    Column("ABOUT"),
    Column("SIGNERS"),
    Column("CHECKPOINT", right=True),
    Column("DIGEST", digest=True, optional=True),
)


@app.command()
@command
def show(
    invocation: Invocation,
    *,
    limit: Annotated[
        int, typer.Option("--limit", min=0, metavar="N", help="At most this many; 0 for all of them.")
    ] = LIMIT,
    after: Annotated[
        int | None,
        typer.Option("--after", min=0, metavar="ENTRY", help="Begin behind this entry.", show_default=False),
    ] = None,
) -> Result:
    """Show the entries of the log in order.

    SIGNERS are the keys whose signatures were checked when the entry was made, CHECKPOINT is how many entries the first
    signed checkpoint has that covers it. Nothing is verified here: log audit does.
    """
    with invocation.registry() as registry:
        found = registry.log_entries(limit=limit + 1 if limit else None, after=after)
    entries = found[:limit] if limit else found
    following = entries[-1].position if len(found) > len(entries) else None
    notes = (f"there are more: the same with --after {following}",) if following is not None else ()
    return Result(
        schema="log-show",
        value={"entries": [_entry_value(entry) for entry in entries], "next": following},
        blocks=(Table(_COLUMNS, [_row(entry) for entry in entries]),) if entries else (),
        quiet=tuple(f"sha256:{entry.payload_sha256}" for entry in entries),
        notes=notes if entries else ("no entry there yet; every push makes one",),
    )


def _row(entry: LogLine) -> tuple[str, ...]:
    return (
        str(entry.position),
        entry.kind,
        _about(entry),
        ",".join(signer[:KEY_ID_SHOWN] for signer in entry.signers) or "-",
        "-" if entry.checkpoint is None else str(entry.checkpoint),
        f"sha256:{entry.payload_sha256}",
    )


def _about(entry: LogLine) -> str:
    if entry.model is None:
        return "-" if entry.version is None else f"trust store {entry.version}"
    if entry.alias is not None:
        target = "deleted" if entry.version is None else f"-> {entry.version}"
        return f"{entry.model}@{entry.alias} {target}"
    return f"{entry.model}:{entry.version}"


def _entry_value(entry: LogLine) -> Json:
    value = modelreg.to_json(entry)
    assert isinstance(value, dict)  # noqa: S101 - for the type checker
    return {**value, "payload_sha256": prefixed(entry.payload_sha256)}


@app.command()
@command
def checkpoint(
    invocation: Invocation,
    *,
    out: Out = None,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Go on with another key than the one that signed before.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be signed, and keep nothing.")] = False,
) -> Result:
    """Sign the head of the log and print the signed note, a C2SP checkpoint.

    It covers the entries of those who push without the log's key. Whoever keeps the note can show later that the log
    was changed behind it: log audit --known FILE. A head that is signed already is printed again.
    """
    with invocation.registry() as registry:
        head = registry.log_checkpoint(new_key=new_key, dry_run=dry_run)
    if out is not None and not dry_run:
        modelreg.write_log_file(Path(out), head.note.encode())
    return Result(
        schema="log-checkpoint",
        value={**_head_value(head), "path": None if dry_run else out, "dry_run": dry_run},
        blocks=(Lines(tuple(head.note.splitlines())),),
        quiet=(head.root,),
        notes=("nothing was kept",) if dry_run else (),
    )


def _head_value(head: LogHead) -> dict[str, Json]:
    return {
        "origin": head.origin,
        "size": head.size,
        "root": head.root,
        "note": head.note,
        "record": prefixed(head.record_sha256),
    }


@app.command()
@command
def witness(
    invocation: Invocation,
    *,
    key: Annotated[
        str,
        typer.Option(
            "--key",
            metavar="NAME",
            help="The witness's own Ed25519 key: one of yours, pkcs11:URI or command:...",
            show_default=False,
            autocompletion=complete.keys,
        ),
    ],
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Under which name it signs, such as witness.example.com.")
    ] = "witness",
    log_key: Annotated[
        list[str] | None,
        typer.Option(
            "--log-key", metavar="VKEY", help="The log's public key, as log key prints it.", show_default=False
        ),
    ] = None,
    passphrase_file: FromFile = None,
    out: Out = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look, and co-sign nothing.")] = False,
) -> Result:
    """Co-sign the newest checkpoint, if the log has only grown since this witness last did (C2SP cosignature).

    What was co-signed is kept beside the settings of whoever runs this, so run it where those who run the registry
    cannot write: another team's machine, or a CI job. A log that did not grow from that is refused with the exit status
    16, and both notes are kept. Clients ask for it by trust amend --witness VKEY --quorum N.
    """
    signer = unlocked(invocation, key, passphrase_file)
    with invocation.registry() as registry:
        seen = registry.log_witness(signer, name=name, keys=log_key or (), dry_run=dry_run)
    if out is not None and not dry_run:
        modelreg.write_log_file(Path(out), seen.note)
    did = "would be co-signed" if seen.dry_run else "co-signed"
    return Result(
        schema="log-witness",
        value={
            "origin": seen.origin,
            "size": seen.size,
            "root": seen.root,
            "note": seen.note.decode(),
            "key": seen.key,
            "reason": seen.reason,
            "path": None if dry_run else out,
            "dry_run": seen.dry_run,
        },
        blocks=(Lines((f"{did}: {_entries(seen.size)} of {seen.origin}; {seen.reason}", f"witness: {seen.key}")),),
        quiet=(seen.key,),
    )


@app.command()
@command
def prove(invocation: Invocation, reference: Reference, *, out: Out = None) -> Result:
    """Prove that a version is in the log, in a C2SP tlog-proof that needs no registry to be checked.

    It holds the entry, the hashes on its way up, and the newest signed checkpoint. Check it with log verify.
    """
    with invocation.registry() as registry:
        _, exactly = invocation.resolve(registry, reference)
        proven = registry.log_proof(exactly)
    text = proven.data.decode()
    if out is not None:
        modelreg.write_log_file(Path(out), proven.data)
    name = f"{proven.model}:{proven.version}"
    told = f"{out}: {name} is entry {proven.position} of {proven.size} in the log"
    return Result(
        schema="log-prove",
        value={
            "reference": name,
            "model": proven.model,
            "version": proven.version,
            "digest": prefixed(proven.digest),
            "position": proven.position,
            "size": proven.size,
            "proof": text,
            "path": out,
        },
        blocks=(Lines(tuple(text.splitlines()) if out is None else (told,)),),
        quiet=tuple(text.splitlines()) if out is None else (out,),
    )


@app.command()
@command
def verify(
    invocation: Invocation,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A proof of log prove, or a checkpoint.", show_default=False)
    ],
    reference: Annotated[
        str | None,
        typer.Argument(
            metavar="[REF]",
            help=f"The version that it must be about. {REFERENCE_HELP}",
            show_default=False,
            autocompletion=complete.references,
        ),
    ] = None,
    *,
    key: Annotated[
        list[str],
        typer.Option("--key", metavar="VKEY", help="The log's public key, as log key prints it.", show_default=False),
    ],
    digest: Annotated[
        str | None,
        typer.Option("--digest", metavar="SHA256", help="The manifest that it must be about.", show_default=False),
    ] = None,
) -> Result:
    """Check a proof or a checkpoint by the log's public key; no registry is needed unless REF is given.

    The exit status is 16 for a file that proves nothing, or something else. Without REF and --digest, what a proof is
    about is told and not compared with anything.
    """
    if reference is not None:
        if digest is not None:
            raise modelreg.UsageError("REF and --digest both say what the proof must be about", hint="give one of them")
        with invocation.registry() as registry:
            digest = invocation.resolve(registry, reference)[0].digest
    found = modelreg.check_log_file(file, key, digest)
    return Result(
        schema="log-verify",
        value=_checked_value(file, found),
        blocks=(Lines((f"{file}: {_proves(found)}",)),),
        quiet=(found.root,),
    )


def _entries(count: int) -> str:
    return f"{count:,} {'entry' if count == 1 else 'entries'}"


def _proves(found: LogChecked) -> str:
    head = f"the log {found.origin} of {_entries(found.size)}"
    if found.position is None:
        return f"a checkpoint of {head}, signed by the key"
    signers = ", ".join(signer[:KEY_ID_SHOWN] for signer in found.signers) or "nobody"
    return (
        f"the {found.kind} sha256:{found.payload_sha256} is entry {found.position} of {head}; signed then by {signers}"
    )


def _checked_value(file: str, found: LogChecked) -> dict[str, Json]:
    return {
        "path": file,
        "origin": found.origin,
        "size": found.size,
        "root": found.root,
        "position": found.position,
        "kind": found.kind,
        "digest": prefixed(found.payload_sha256),
        "signers": list(found.signers),
    }


@app.command()
@command
def audit(
    invocation: Invocation,
    *,
    key: Key = None,
    known: Annotated[
        list[str] | None,
        typer.Option(
            "--known", metavar="FILE", help="A checkpoint that you have kept: the log must have grown from it."
        ),
    ] = None,
) -> Result:
    """Read the whole log and every statement again from the store, and tell what cannot be so.

    Two manifests under one version, numbers that are missing, versions that were never logged or are gone, entries that
    were changed, checkpoints that do not fit. The exit status is 8 if there is anything. Without --key the log's key is
    the one that the trust store names, or the registry's own.
    """
    notes = [modelreg.read_note_file(Path(path)) for path in known or ()]
    settings = invocation.settings()
    with (
        modelreg.Registry.open(settings=settings, create=False) as registry,
        progress(invocation.output, "reading", None) as advance,
    ):
        report = registry.log_audit(keys=key or (), known=notes, progress=advance)
    return Result(
        schema="log-audit",
        value=_audit_value(report),
        blocks=(Lines(tuple(_audit_lines(report))),),
        quiet=tuple(finding.kind for finding in report.findings if not finding.is_remark),
        exit_status=0 if report.is_clean else CORRUPT,
    )


def _audit_lines(report: LogAudit) -> list[str]:
    lines = [_finding_line(finding) for finding in report.findings]
    held = f"{counted(report.versions, 'version')} and {counted(report.records, 'record')} held against them"
    covered = f"{report.covered:,} under a signed checkpoint"
    lines.append(f"{_entries(report.entries)} read again, {covered}; {held}")
    if not report.keys:
        lines.append("NOT checked: who signed the checkpoints, since no key is known; --key VKEY")
    problems = counted(report.problems, "problem")
    lines.append("clean: the log is whole" if report.is_clean else f"CORRUPT: {problems}")
    return lines


def _finding_line(finding: LogFinding) -> str:
    where = "" if finding.position is None else f" (entry {finding.position})"
    return f"{'info: ' if finding.is_remark else ''}{finding.kind}{where}: {finding.message}"


def _audit_value(report: LogAudit) -> dict[str, Json]:
    return {
        "clean": report.is_clean,
        "origin": report.origin,
        "entries": report.entries,
        "covered": report.covered,
        "root": report.root,
        "kinds": dict(report.kinds),
        "checkpoints": list(report.checkpoints),
        "records": report.records,
        "versions": report.versions,
        "keys": list(report.keys),
        "problems": report.problems,
        "findings": [modelreg.to_json(finding) for finding in report.findings],
    }


@app.command()
@command
def key(invocation: Invocation) -> Result:
    """Print the public key of the log, a C2SP vkey: clients trust the log by it.

    Give it to a trust store and to auditors on another way than the registry.
    """
    with invocation.registry() as registry:
        vkey = registry.log_key()
        path = registry.settings.log_key.value
    origin = vkey.partition("+")[0]
    return Result(
        schema="log-key",
        value={"origin": origin, "key": vkey, "path": str(path)},
        blocks=(Lines((vkey,)),),
        quiet=(vkey,),
    )


@app.command()
@command
def forget(
    invocation: Invocation,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> Result:
    """Know nothing more of what this registry's log was when you last saw it.

    The next pull believes whatever log it is shown then, as the very first did. Only for a registry that was begun anew
    on purpose, by the word of whoever runs it.
    """
    settings = invocation.settings()
    invocation.confirm(f"Forget what was seen of the log at {modelreg.address_of(settings)}?", yes=yes)
    size = modelreg.forget_log(settings)
    known = "nothing was known of it" if size is None else f"a log of {_entries(size)} was known"
    return Result(
        schema="log-forget",
        value={"address": modelreg.address_of(settings), "size": size},
        blocks=(Lines((f"{known}; nothing is now",)),),
    )
