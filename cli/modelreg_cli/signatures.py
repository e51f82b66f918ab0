"""The options that say which signature files must have, and by whom, and the lines that tell of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli import complete
from modelreg_cli.signing import KEY_ID_SHOWN
from modelreg_cli.wording import counted

if TYPE_CHECKING:
    from modelreg import FoundSignature, SignatureRequest

SignatureFile = Annotated[
    Path | None,
    typer.Option(
        "--signature",
        metavar="FILE",
        help="An OpenSSF Model Signing bundle, model_signing's model.sig say, that must be over exactly these files.",
    ),
]
TrustedKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        metavar="KEY",
        help="Let nobody but this key have made the --signature: a PEM file, or a key of yours or of the trust store.",
        autocompletion=complete.keys,
    ),
]
Roots = Annotated[
    Path | None,
    typer.Option(
        "--certificate-roots",
        metavar="FILE",
        help="Let nobody but those have made it whose certificates are valid now and lead to one of these (PEM).",
    ),
]
Name = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="Which model the files are, for the roles of the trust store."),
]


def signature_of(
    file: Path | None, keys: list[str] | None, roots: Path | None, name: str | None
) -> SignatureRequest | None:
    """The signature that was asked for; raises ``UsageError`` for its options without it."""
    if file is not None:
        return modelreg.SignatureRequest(file, tuple(keys or ()), roots, name)
    if keys or roots or name:
        raise modelreg.UsageError(
            "--key, --certificate-roots and --name are about a --signature, and none is given",
            hint="--signature FILE; whose signatures count else, the trust store and the settings say",
        )
    return None


def signature_lines(files: str, signature: FoundSignature | None) -> tuple[str, ...]:
    """Who signed the files, in one sentence, or nothing."""
    if signature is None:
        return ()
    who = f"the key {signature.key_id[:KEY_ID_SHOWN]}"
    if signature.certificate:
        who += f", of {signature.certificate}"
    return (f"{files} is what {signature.file} says: {counted(signature.files, 'file')} signed by {who}",)
