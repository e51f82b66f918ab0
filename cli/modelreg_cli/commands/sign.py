"""``modelreg sign``."""

from __future__ import annotations

from typing import Annotated

import typer

import modelreg
from modelreg_cli import complete
from modelreg_cli.checks import Reference
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.passphrases import FromFile
from modelreg_cli.result import Lines, Result
from modelreg_cli.signing import KEY_ID_SHOWN, Certificates, certified, unlocked
from modelreg_cli.wording import prefixed, uncovered

app = new_app()


@app.command()
@command
def sign(
    invocation: Invocation,
    reference: Reference,
    *,
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            metavar="NAME",
            help="A key of yours, awskms:ID, pkcs11:URI or command:...; by default that of the setting sign.",
            autocompletion=complete.keys,
        ),
    ] = None,
    passphrase_file: FromFile = None,
    certificates: Certificates = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be signed, and sign nothing.")] = False,
) -> Result:
    """Sign a version that is in the registry.

    The manifest is signed, which names the version, its files and where it was made; with an ecdsa key also the files,
    as OpenSSF Model Signing does. Other signatures stay.
    """
    name = key or invocation.settings().sign.value or "default"
    signer = certified(unlocked(invocation, name, passphrase_file), certificates)
    with invocation.registry() as registry:
        entry, exactly = invocation.resolve(registry, reference)
        signed = None if dry_run else registry.sign(exactly, signer)
    version, key_id = f"{entry.model}:{entry.version}", signer.public.id
    done = "would be signed by" if signed is None else "signed by"
    return Result(
        schema="sign",
        value={
            "reference": version,
            "model": entry.model,
            "version": entry.version,
            "digest": prefixed(entry.digest),
            "key": name,
            "key_id": key_id,
            "bundles": [] if signed is None else [modelreg.to_json(bundle) for bundle in signed.bundles],
            "dry_run": dry_run,
            "checkpoint_problem": signed.checkpoint_problem if signed else None,
        },
        blocks=(Lines((f"{version} {done} {name} ({key_id[:KEY_ID_SHOWN]})",)),),
        quiet=() if signed is None else tuple(f"sha256:{bundle.sha256}" for bundle in signed.bundles),
        notes=uncovered(signed.checkpoint_problem if signed else None),
    )
