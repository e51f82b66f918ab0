"""``modelreg push``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli import complete
from modelreg_cli.checks import Allow
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.passphrases import FromFile
from modelreg_cli.progress import progress, size_on_disk
from modelreg_cli.replaying import CustomObjects, Python, Timeout, Tolerance, golden_line, refuse_without
from modelreg_cli.result import Lines, Result
from modelreg_cli.signing import KEY_ID_SHOWN, Certificates, NoSign, PushKey, SignWith, certified, key_of
from modelreg_cli.wording import counted, prefixed, size, uncovered

if TYPE_CHECKING:
    from modelreg import GoldenRequest, Pushed

app = new_app()


@app.command()
@command
def push(
    invocation: Invocation,
    path: Annotated[str, typer.Argument(metavar="PATH", help="The model's file or folder.", show_default=False)],
    *,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="By default the file's stem.", autocompletion=complete.models),
    ] = None,
    alias: Annotated[
        list[str] | None,
        typer.Option(
            "--alias", metavar="ALIAS", help="Point this alias at the new version.", autocompletion=complete.aliases
        ),
    ] = None,
    meta: Annotated[
        list[str] | None, typer.Option("--meta", metavar="KEY=VALUE", help="Keep this in the manifest.")
    ] = None,
    env: Annotated[
        str,
        typer.Option(
            "--env",
            metavar="ENV",
            help="Where the model was made: current, none, a document, an interpreter, or a lock file (FILE@3.11).",
        ),
    ] = "current",
    allow: Allow = None,
    golden: Annotated[
        int | None,
        typer.Option(
            "--golden",
            metavar="N",
            help="Run the model on N drawn inputs and keep what it predicts, for modelreg replay.",
        ),
    ] = None,
    python: Python = None,
    custom_objects: CustomObjects = None,
    tolerance: Tolerance = None,
    timeout: Timeout = 600.0,
    sign: SignWith = None,
    no_sign: NoSign = False,
    passphrase_file: FromFile = None,
    certificates: Certificates = None,
    once: Annotated[
        bool,
        typer.Option(
            "--once", help="Make no version if the newest one is of the same files and metadata: for a retry."
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Find out everything and write nothing.")] = False,
) -> Result:
    """Push a model file or folder as the next version of its name.

    The file is read once: what was hashed is what is stored. Damaged files and files that are no model are refused.
    It is signed by a key of yours: that of --sign, or of the setting sign, or one called default, which the first push
    makes. It counts on this machine; others learn whom to believe by modelreg trust.
    """
    if certificates is not None and (no_sign or dry_run):
        raise modelreg.UsageError("--certificates are those of a key that signs, and nothing is signed here")
    metadata = _metadata(meta or [])
    request = _golden_request(golden, python, custom_objects, tolerance, timeout)
    with (
        modelreg.Inspector(expect_hdf5=os.path.isfile(path)) as inspector,  # starts while the registry opens
        invocation.registry() as registry,
    ):
        key = key_of(invocation, sign, passphrase_file, no_sign=no_sign, dry_run=dry_run)
        with progress(invocation.output, "push", size_on_disk(Path(path))) as advance:
            pushed = registry.push(
                path,
                name=name,
                aliases=alias or (),
                metadata=metadata,
                environment=env,
                allow=allow or (),
                golden=request,
                once=once,
                signer=key.signer and certified(key.signer, certificates),
                dry_run=dry_run,
                progress=advance,
                inspector=inspector,
            )
    return _result(pushed, key)


def _golden_request(
    samples: int | None, python: str | None, custom_objects: list[str] | None, tolerance: str | None, timeout_s: float
) -> GoldenRequest | None:
    if samples is None:
        refuse_without("--golden", python=python, custom_objects=custom_objects, tolerance=tolerance)
        return None
    return modelreg.GoldenRequest(samples, python, tuple(custom_objects or ()), tolerance, timeout_s=timeout_s)


def _metadata(pairs: list[str]) -> dict[str, str]:
    """``["owner=risk"]`` as a mapping; raises ``UsageError`` for one without ``=`` and for a key given twice."""
    metadata: dict[str, str] = {}
    for pair in pairs:
        key, mark, value = pair.partition("=")
        if not mark or not key:
            raise modelreg.UsageError(f"--meta {pair!r} is not KEY=VALUE", hint="--meta owner=risk-team")
        if key in metadata:
            raise modelreg.UsageError(f"--meta gives {key!r} twice: {metadata[key]!r} and {value!r}")
        metadata[key] = value
    return metadata


def _result(pushed: Pushed, key: PushKey) -> Result:
    content = f"{pushed.container}, {size(pushed.size_bytes)} in {counted(pushed.files, 'file')}"
    if pushed.dry_run:
        lines = [f"{pushed.model}: would be pushed; nothing was written", content]
    else:
        lines = [f"{pushed.reference} {prefixed(pushed.digest)}", content]
    if pushed.already_there:
        lines.append("already there: the same files and metadata were pushed before; no version was made")
    elif pushed.same_model_as is not None:
        lines.append(f"same weights as {pushed.same_model_as}, new file")
    if pushed.aliases:
        lines.append("aliases: " + ", ".join(pushed.aliases))
    if pushed.signed_by is not None:
        lines.append(f"signed by {key.name} ({pushed.signed_by[:KEY_ID_SHOWN]})")
    if pushed.golden is not None:
        lines.append(f"golden predictions: {golden_line(pushed.golden)}")
    return Result(
        schema="push",
        value={
            "reference": pushed.reference,
            "model": pushed.model,
            "version": pushed.version,
            "digest": prefixed(pushed.digest),
            "container": pushed.container,
            "size_bytes": pushed.size_bytes,
            "files": pushed.files,
            "aliases": list(pushed.aliases),
            "golden": None if pushed.golden is None else modelreg.to_json(pushed.golden),
            "dry_run": pushed.dry_run,
            "semantic_digest": pushed.semantic_digest,
            "same_model_as": pushed.same_model_as,
            "already_there": pushed.already_there,
            "signed_by": pushed.signed_by,
            "checkpoint_problem": pushed.checkpoint_problem,
            "key_made": key.is_new,
            "not_signed": key.why_not,
            "verdict": pushed.verdict.to_json(),
        },
        blocks=(Lines(tuple(lines)),),
        quiet=() if pushed.digest is None else (f"sha256:{pushed.digest}",),
        verdict=pushed.verdict,
        notes=(
            *(() if key.why_not is None else (f"not signed: {key.why_not}",)),
            *uncovered(pushed.checkpoint_problem),
        ),
    )
