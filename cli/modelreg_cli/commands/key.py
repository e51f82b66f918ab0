"""``modelreg key``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli import complete, passphrases
from modelreg_cli.exits import COULD_NOT
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.passphrases import FromFile
from modelreg_cli.result import Block, Column, Fields, Lines, Result, Table
from modelreg_cli.signing import unlocked
from modelreg_cli.terminal import is_terminal

if TYPE_CHECKING:
    from modelreg import Json, Keyring, StoredKey, UnreadableKey

app = new_app("Make, show, move and protect the keys that sign.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The key.", show_default=False, autocompletion=complete.keys)]
NoPassphrase = Annotated[
    bool, typer.Option("--no-passphrase", help="Protect it by the mode of its file alone, as for a machine.")
]


@app.command()
@command
def generate(
    invocation: Invocation,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="What to call it.")] = "default",
    *,
    algorithm: Annotated[
        str, typer.Option("--algorithm", metavar="KIND", help="ecdsa-p256, ecdsa-p384, ecdsa-p521 or ed25519.")
    ] = "ecdsa-p256",
    no_passphrase: NoPassphrase = False,
    passphrase_file: FromFile = None,
) -> Result:
    """Make a key.

    The passphrase is asked for twice, where neither a file nor the environment gives it. OpenSSF Model Signing knows
    the ecdsa kinds. A key that is there already is never written over.
    """
    keyring = _keyring(invocation)
    keyring.check_new(name, algorithm)
    passphrase = _for_new(name, passphrase_file, no_passphrase=no_passphrase)
    return _told("key-generate", "made", keyring.generate(name, algorithm=algorithm, passphrase=passphrase))


@app.command("list")
@command
def list_(invocation: Invocation) -> Result:
    """List the keys.

    The exit status is 1 if a file among them cannot be used.
    """
    keyring = _keyring(invocation)
    found = keyring.list()
    keys = [key for key in found if isinstance(key, modelreg.StoredKey)]
    broken = [key for key in found if isinstance(key, modelreg.UnreadableKey)]
    columns = (Column("NAME"), Column("ALGORITHM"), Column("ID"), Column("PROTECTED"))
    rows = [(key.name, key.algorithm, key.id[:16], "yes" if key.is_protected else "no") for key in keys]
    blocks: list[Block] = [Table(columns, rows)] if rows else []
    if broken:
        blocks.append(Lines(tuple(line for key in broken for line in _complaint(key))))
    return Result(
        schema="key-list",
        value={
            "folder": str(keyring.folder),
            "keys": [_value(key) for key in keys],
            "unreadable": [
                {"name": key.name, "path": str(key.path), "message": key.message, "hint": key.hint} for key in broken
            ],
        },
        blocks=tuple(blocks),
        quiet=tuple(key.name for key in keys),
        notes=() if found else (f"no key in {keyring.folder}; modelreg key generate makes one",),
        exit_status=COULD_NOT if broken else 0,
    )


@app.command()
@command
def show(invocation: Invocation, name: Name) -> Result:
    """Show a key's ids and its public half.

    The id is the SHA-256 of the DER public key; the hint, of its PEM text, is how an OpenSSF Model Signing bundle
    names it.
    """
    key = _keyring(invocation).get(name)
    fields = (
        ("name", key.name),
        ("algorithm", key.algorithm),
        ("id", key.id),
        ("hint", key.hint),
        ("protected", "yes" if key.is_protected else "no"),
        ("file", str(key.path)),
    )
    return Result(
        schema="key-show",
        value={**_value(key), "public_pem": key.public_pem},
        blocks=(Fields(fields), Lines(("", *key.public_pem.splitlines()))),
        quiet=(key.id,),
    )


@app.command()
@command
def export(
    invocation: Invocation,
    name: Name,
    *,
    private: Annotated[
        bool, typer.Option("--private", help="The private key, as unprotected PKCS8: whoever reads it can sign.")
    ] = False,
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", metavar="FILE", help="A new file; not standard output.", show_default=False),
    ] = None,
    passphrase_file: FromFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Show a private key on a terminal all the same.")] = False,
) -> Result:
    """Write a key as PEM: the public half, or with --private all of it.

    NAME may also be one of elsewhere (awskms:ID, pkcs11:URI, command:...), whose public half is written.
    A private key's file has the mode 0600; a file that is there is never written over.
    """
    if private and out is None and is_terminal(sys.stdout) and not yes:
        raise modelreg.UsageError(
            "a private key is nothing for a terminal to show", hint="-o FILE, or --yes to show it all the same"
        )
    if modelreg.is_key_elsewhere(name):
        return _exported_from_elsewhere(invocation, name, out, passphrase_file, private=private)
    keyring = _keyring(invocation)
    key = keyring.get(name)
    passphrase = passphrases.existing(passphrase_file, name) if private and key.is_protected else None
    value: dict[str, Json] = {"name": name, "id": key.id, "private": private, "path": out}
    if out is None:
        pem = keyring.private_pem(name, passphrase) if private else key.public_pem
        lines = tuple(pem.splitlines())
        return Result(schema="key-export", value={**value, "pem": pem}, blocks=(Lines(lines),), quiet=lines)
    if private:
        keyring.export_private(name, Path(out), passphrase)
    else:
        keyring.export_public(name, Path(out))
    line = f"{out}: the {'private' if private else 'public'} key {name}, {key.algorithm} {key.id[:16]}"
    return Result(schema="key-export", value={**value, "pem": None}, blocks=(Lines((line,)),), quiet=(out,))


def _exported_from_elsewhere(
    invocation: Invocation, name: str, out: str | None, passphrase_file: str | None, *, private: bool
) -> Result:
    """The public half of a key that is not in the keyring."""
    if private:
        raise modelreg.UsageError(f"{name[:80]} does not leave its place", hint="without --private: its public half")
    public = unlocked(invocation, name, passphrase_file).public
    value: dict[str, Json] = {"name": name, "id": public.id, "private": False, "path": out}
    if out is None:
        lines = tuple(public.pem.splitlines())
        return Result(schema="key-export", value={**value, "pem": public.pem}, blocks=(Lines(lines),), quiet=lines)
    modelreg.export_public(public, Path(out))
    line = f"{out}: the public key {name}, {public.algorithm.value} {public.id[:16]}"
    return Result(schema="key-export", value={**value, "pem": None}, blocks=(Lines((line,)),), quiet=(out,))


@app.command("import")
@command
def import_(
    invocation: Invocation,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A key file, or an unprotected PEM private key.", show_default=False)
    ],
    *,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What to call it; else as FILE.", show_default=False)
    ] = None,
    no_passphrase: NoPassphrase = False,
    passphrase_file: FromFile = None,
) -> Result:
    """Take in a copy of a key.

    A PEM private key is put behind a passphrase, as by generate. A protected key file stays behind the passphrase that
    it has; one given by file or environment is tried on it. FILE stays where it is, and must be its owner's alone.
    """
    keyring = _keyring(invocation)
    found = modelreg.read_stored_key(Path(file))
    if found.is_protected and no_passphrase:
        raise modelreg.UsageError(
            f"{file!r} is protected, and is taken in as it is",
            hint="leave --no-passphrase out; then modelreg key passwd NAME --no-passphrase",
        )
    name = found.name if name is None else name
    keyring.check_new(name)
    if found.is_protected:
        passphrase = passphrases.given(passphrase_file)
    else:
        passphrase = _for_new(name, passphrase_file, no_passphrase=no_passphrase)
    return _told("key-import", "taken in", keyring.take(Path(file), name, passphrase=passphrase))


@app.command()
@command
def passwd(
    invocation: Invocation,
    name: Name,
    *,
    no_passphrase: NoPassphrase = False,
    passphrase_file: FromFile = None,
    new_passphrase_file: Annotated[
        str | None,
        typer.Option("--new-passphrase-file", metavar="FILE", help="Its one line is the new one.", show_default=False),
    ] = None,
) -> Result:
    """Change, set or remove a key's passphrase; the key stays the same.

    The new one comes from --new-passphrase-file or a prompt, never from the environment. A copy of the old file, in a
    backup say, still opens by the old passphrase.
    """
    if no_passphrase and new_passphrase_file is not None:
        raise _contradiction("--new-passphrase-file")
    keyring = _keyring(invocation)
    before = keyring.get(name)
    old = passphrases.existing(passphrase_file, name) if before.is_protected else None
    if old is not None:
        keyring.unlock(name, old)  # a wrong one is told before a new one is asked for
    new = None if no_passphrase else passphrases.another(new_passphrase_file, name)
    return _told("key-passwd", "kept", keyring.change_passphrase(name, old, new))


def _keyring(invocation: Invocation) -> Keyring:
    return modelreg.Keyring.open(invocation.settings())


def _for_new(name: str, file: str | None, *, no_passphrase: bool) -> str | None:
    """The passphrase of a new key; ``None`` where it is to have none."""
    if not no_passphrase:
        return passphrases.of_new_key(file, name)
    if file is not None:
        raise _contradiction("--passphrase-file")
    return None


def _contradiction(option: str) -> modelreg.UsageError:
    return modelreg.UsageError(f"{option} gives a passphrase and --no-passphrase says that there is none")


def _told(schema: str, verb: str, key: StoredKey) -> Result:
    """Which key was made, taken in or kept, and how it is protected now."""
    protected = "protected by its passphrase" if key.is_protected else "not protected by a passphrase"
    return Result(
        schema=schema,
        value=_value(key),
        blocks=(Lines((f"{key.name} {verb}: {key.algorithm} {key.id}", f"{key.path}, {protected}")),),
        quiet=(key.id,),
    )


def _value(key: StoredKey) -> dict[str, Json]:
    return {
        "name": key.name,
        "algorithm": key.algorithm,
        "id": key.id,
        "hint": key.hint,
        "protected": key.is_protected,
        "path": str(key.path),
    }


def _complaint(key: UnreadableKey) -> list[str]:
    return [f"{key.name}: {key.message}", *([f"    fix: {key.hint}"] if key.hint else [])]
