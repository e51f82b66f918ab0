"""``modelreg verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli import complete
from modelreg_cli.checks import (
    Allow,
    Full,
    Locked,
    LockFile,
    Provides,
    Strict,
    Target,
    Verify,
    alias_of,
    checks_of,
    lock_of,
)
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.progress import progress, size_on_disk
from modelreg_cli.replaying import CustomObjects, Python, Replay, request_of, run_line, run_value
from modelreg_cli.result import Lines, Result
from modelreg_cli.signatures import Name, Roots, SignatureFile, TrustedKeys, signature_lines, signature_of
from modelreg_cli.subjects import existing_path, pulled_folder_of
from modelreg_cli.wording import decided, prefixed, size

if TYPE_CHECKING:
    from modelreg import Checks, ReplayRequest, SignatureRequest, Verified

app = new_app()


@app.command()
@command
def verify(
    invocation: Invocation,
    subject: Annotated[
        str,
        typer.Argument(
            metavar="REF|PATH",
            help="A reference, or a pulled folder or a file in one; with --signature any folder or file. What is both "
            "is the folder: write fraud:3 for the version, ./fraud for the folder.",
            show_default=False,
            autocompletion=complete.references,
        ),
    ],
    *,
    verify: Verify = None,
    target: Target = None,
    strict: Strict = None,
    allow: Allow = None,
    provides: Provides = None,
    locked: Locked = False,
    lock_file: LockFile = None,
    full: Full = False,
    replay: Replay = False,
    python: Python = None,
    custom_objects: CustomObjects = None,
    signature: SignatureFile = None,
    key: TrustedKeys = None,
    certificate_roots: Roots = None,
    name: Name = None,
) -> Result:
    """Check a version in the store, or a pulled folder without any registry.

    A folder is checked against the manifest kept in it, with no network either: that finds accidents and
    changed files, and proves no origin by itself. With --signature any files are checked against that.
    """
    lock = lock_of(locked=locked, lock_file=lock_file)
    checks = checks_of(target=target, verify=verify, strict=strict, allow=allow, provides=provides, lock=lock)
    request = request_of(replay=replay, python=python, custom_objects=custom_objects)
    signed = signature_of(signature, key, certificate_roots, name)
    path = None if signed is None else existing_path(subject)
    if signed is not None and path is not None:
        if lock or request or target is not None or provides is not None:
            raise modelreg.UsageError(
                f"{subject!r} is on disk, where --signature looks at files and bytes alone: it goes with no --locked, "
                "--replay, --target and --provides",
                hint="give a reference, or verify the pulled folder without --signature too",
            )
        return _verify_files(invocation, path, signed, checks)
    folder = None if signed is not None else pulled_folder_of(subject)
    if folder is not None:
        return _verify_folder(invocation, folder, checks, request, full=full)
    checks["alias"] = alias_of(subject)
    with invocation.registry() as registry:
        entry, exactly = invocation.resolve(registry, subject, lock)
        with progress(invocation.output, "verifying", entry.size_bytes) as advance:
            verified = registry.verify(exactly, full=full, replay=request, signature=signed, progress=advance, **checks)
    return _result(verified, "store", None)


def _verify_folder(
    invocation: Invocation, folder: Path, checks: Checks, request: ReplayRequest | None, *, full: bool
) -> Result:
    invocation.output.note(f"checking the folder {str(folder)!r} by the manifest kept in it")
    with progress(invocation.output, "verifying", size_on_disk(folder)) as advance:
        verified = modelreg.verify_folder(
            folder, settings=invocation.settings(), full=full, replay=request, progress=advance, **checks
        )
    return _result(verified, "folder", folder)


def _verify_files(invocation: Invocation, path: Path, signature: SignatureRequest, checks: Checks) -> Result:
    with progress(invocation.output, "verifying", size_on_disk(path)) as advance:
        found = modelreg.verify_files(path, signature, settings=invocation.settings(), progress=advance, **checks)
    checked = "every SHA-256" if found.signature else "nothing"
    return Result(
        schema="verify",
        value={
            "reference": None,
            "model": None,
            "version": None,
            "digest": None,
            "source": "files",
            "folder": str(path),
            "size_bytes": found.size_bytes,
            "full": found.signature is not None,
            "replay": None,
            "signed_by": [],
            "signature": modelreg.to_json(found.signature),
            "verdict": found.verdict.to_json(),
        },
        blocks=(
            Lines(
                (
                    *signature_lines(str(path), found.signature),
                    f"{size(found.size_bytes)} in {str(path)!r}, {checked} verified; {decided(found.verdict)}",
                )
            ),
        ),
        quiet=(str(path),),
        verdict=found.verdict,
    )


def _result(verified: Verified, source: str, folder: Path | None) -> Result:
    checked = "every chunk and SHA-256" if verified.full else "every chunk"
    place = "in the store" if folder is None else f"in {str(folder)!r}"
    return Result(
        schema="verify",
        value={
            "reference": verified.reference,
            "model": verified.model,
            "version": verified.version,
            "digest": prefixed(verified.digest),
            "source": source,
            "folder": None if folder is None else str(folder),
            "size_bytes": verified.size_bytes,
            "full": verified.full,
            "replay": run_value(verified.replayed),
            "signed_by": list(verified.signed_by),
            "signature": modelreg.to_json(verified.signature),
            "verdict": verified.verdict.to_json(),
        },
        blocks=(
            Lines(
                (
                    f"{verified.reference} {prefixed(verified.digest)}",
                    *signature_lines(str(verified.reference), verified.signature),
                    f"{size(verified.size_bytes)} {place}, {checked} verified; {decided(verified.verdict)}",
                    *([] if verified.replayed is None else [run_line(verified.replayed)]),
                )
            ),
        ),
        quiet=(f"sha256:{verified.digest}",),
        verdict=verified.verdict,
    )
