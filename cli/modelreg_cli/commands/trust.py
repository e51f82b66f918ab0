"""``modelreg trust``.  Longer than 400 lines, a function a command and its options."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import modelreg
from modelreg_cli import complete
from modelreg_cli.exits import ConfirmationError
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.passphrases import FromFile
from modelreg_cli.result import Block, Lines, Result
from modelreg_cli.signing import KEY_ID_SHOWN, NoSign, SignWith, key_of, unlocked, unsigned
from modelreg_cli.terminal import is_terminal
from modelreg_cli.trust_view import acceptance_line, awaited_lines, draft_result, store_blocks, store_value
from modelreg_cli.wording import uncovered

if TYPE_CHECKING:
    from modelreg import ImportedTrust, Json, Keyring, TrustDraft, TrustFile, TrustStore

app = new_app("Say whose signatures count, in one signed file.")

File = Annotated[str, typer.Argument(metavar="FILE", help="The trust store.", show_default=False)]
Keys = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY]...",
        help="[NAME=]KEY: a PEM file, or a key's name in the trust store or among yours.",
        show_default=False,
    ),
]
Roots = Annotated[
    list[str] | None,
    typer.Option("--root", metavar="KEY", help="[NAME=]KEY: a PEM file, or the name of a key of yours."),
]
Threshold = Annotated[
    int | None, typer.Option("--threshold", metavar="N", min=1, help="How many of the keys must sign.")
]
Pattern = Annotated[
    str | None,
    typer.Option("--for", metavar="PATTERN", help="Which models: '*', team/**, team/*, or a name.", show_default=False),
]
FromIndex = Annotated[
    int | None,
    typer.Option("--from", metavar="INDEX", min=0, help="From this log index on; what is older stays as it is."),
]
Expires = Annotated[str | None, typer.Option("--expires", metavar="WHEN", help="A date, or 365d from now.")]
EnforcementMode = Annotated[
    str | None,
    typer.Option("--mode", metavar="MODE", help="What a missing signature does: off, warn, or enforce, which refuses."),
]
Registries = Annotated[
    list[str] | None,
    typer.Option("--registry", metavar="ID|VKEY", help="Take versions of this one, by its id or the key of its log."),
]
SigningKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        metavar="NAME",
        help="Sign with this root key of yours; by default with all that you have.",
        autocompletion=complete.keys,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and write nothing.")]


@app.command()
@command
def init(
    invocation: Invocation,
    *,
    out: Annotated[str, typer.Option("--out", "-o", metavar="FILE", help="A new file.", show_default=False)],
    root: Roots = None,
    threshold: Annotated[
        int, typer.Option("--threshold", metavar="N", min=1, help="How many of the root keys must sign a change.")
    ] = 1,
    mode: EnforcementMode = "warn",
    expires: Expires = "365d",
    registry: Registries = None,
    key: SigningKeys = None,
    passphrase_file: FromFile = None,
    dry_run: DryRun = False,
) -> Result:
    """Make a trust store.

    It is signed by its root keys, as every change of it is. Nobody may sign a model before trust add says so.
    """
    if not root:
        raise modelreg.UsageError("a trust store needs a root key", hint="--root NAME, a key of modelreg key list")
    draft = modelreg.TrustFile.init(
        Path(out),
        _keyring(invocation),
        root,
        threshold=threshold,
        mode=mode or "warn",
        expires=expires or "365d",
        registries=registry or (),
    )
    return _signed(invocation, "trust-init", draft, key, passphrase_file, dry_run=dry_run)


@app.command()
@command
def show(
    invocation: Invocation,
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="By default that of the setting trust_store.")
    ] = None,
) -> Result:
    """Show what a trust store says, whether it is complete, and whether it is accepted here.

    Of a change that waits for signatures, also what it changes and who has to sign.
    """
    settings = invocation.settings()
    path = settings.trust_store.value if file is None else Path(file)
    if path is None:
        raise modelreg.UsageError(
            "no FILE is given, and no setting trust_store names one", hint="modelreg trust show FILE"
        )
    found = modelreg.TrustFile.open(path, _keyring(invocation))
    blocks: list[Block] = []
    value: dict[str, Json] = {"path": str(found.path), "complete": found.current is not None, "pending": None}
    if found.current is not None:
        here = modelreg.remembered_beside(found.path, settings)
        blocks += [*store_blocks(found.current), Lines(("", f"complete; {acceptance_line(here)}"))]
        value |= {"accepted": here.problem is None and here.store is not None, "problem": here.problem}
    draft = found.awaited
    if draft is not None:
        awaited = draft.lacking
        changes = tuple(str(change) for change in draft.changes)
        head = f"{found.pending_path}: version {draft.store.version}, not in force"
        blocks += [*([Lines(("",))] if blocks else []), Lines((head, *changes, *awaited_lines(awaited)))]
        value["pending"] = {
            "path": str(found.pending_path),
            "changes": list(changes),
            "awaited": [modelreg.to_json(gap) for gap in awaited],
            **store_value(draft.store),
        }
    shown = found.current or found.newest
    assert shown is not None  # noqa: S101 - open() has found one
    return Result(
        schema="trust-show",
        value={**value, **store_value(shown)},
        blocks=tuple(blocks),
        quiet=(shown.root.fingerprint,),
    )


@app.command()
@command
def add(
    invocation: Invocation,
    file: File,
    keys: Keys = None,
    *,
    pattern: Pattern = None,
    threshold: Threshold = None,
    from_index: FromIndex = None,
    key: SigningKeys = None,
    passphrase_file: FromFile = None,
    dry_run: DryRun = False,
) -> Result:
    """Let keys sign the models of a pattern, beside those that may already.

    The most specific pattern decides: team/x before team/* before team/** before *. Without KEY, --threshold changes
    how many of the role's keys must sign.
    """
    draft = _opened(invocation, file).add(keys or (), pattern, threshold=threshold, from_index=from_index)
    return _signed(invocation, "trust-add", draft, key, passphrase_file, dry_run=dry_run)


@app.command()
@command
def remove(
    invocation: Invocation,
    file: File,
    name: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="The key's name or id there.", show_default=False)
    ] = None,
    *,
    pattern: Pattern = None,
    from_index: FromIndex = None,
    key: SigningKeys = None,
    passphrase_file: FromFile = None,
    dry_run: DryRun = False,
) -> Result:
    """Take a key out of a role (KEY and --for), a whole role (--for), or a key altogether (KEY).

    What the key signed no longer counts then. To keep what it signed before a log index: trust revoke.
    """
    draft = _opened(invocation, file).remove(name, pattern, from_index=from_index)
    return _signed(invocation, "trust-remove", draft, key, passphrase_file, dry_run=dry_run)


@app.command()
@command
def revoke(
    invocation: Invocation,
    file: File,
    name: Annotated[str, typer.Argument(metavar="KEY", help="The key's name or id there.", show_default=False)],
    *,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is shown.", show_default=False)],
    compromised: Annotated[
        bool, typer.Option("--compromised", help="Nothing counts that the key ever signed: it was stolen.")
    ] = False,
    from_index: FromIndex = None,
    key: SigningKeys = None,
    passphrase_file: FromFile = None,
    dry_run: DryRun = False,
) -> Result:
    """Declare that a key is no longer good.

    It never comes back, and a revocation can only be made stricter.
    """
    if compromised == (from_index is not None):
        raise modelreg.UsageError(
            "a revocation holds for everything, or from a log index on", hint="one of --compromised and --from INDEX"
        )
    draft = _opened(invocation, file).revoke(name, reason, from_index=from_index, compromised=compromised)
    return _signed(invocation, "trust-revoke", draft, key, passphrase_file, dry_run=dry_run)


@app.command()
@command
def rotate(
    invocation: Invocation,
    file: File,
    *,
    root: Roots = None,
    threshold: Threshold = None,
    key: SigningKeys = None,
    passphrase_file: FromFile = None,
    dry_run: DryRun = False,
) -> Result:
    """Change the root keys, or how many of them must sign.

    Each --root is one that is to be a root key from now on, those that stay among them; a threshold of the old ones
    and a threshold of the new ones sign it.
    """
    draft = _opened(invocation, file).rotate(root or (), threshold)
    return _signed(invocation, "trust-rotate", draft, key, passphrase_file, dry_run=dry_run)


@app.command()
@command
def amend(
    invocation: Invocation,
    file: File,
    *,
    mode: EnforcementMode = None,
    expires: Expires = None,
    registry: Registries = None,
    no_registry: Annotated[
        list[str] | None, typer.Option("--no-registry", metavar="ID", help="Name this registry no longer.")
    ] = None,
    witness: Annotated[
        list[str] | None, typer.Option("--witness", metavar="VKEY", help="The witnesses of the log, all of them.")
    ] = None,
    quorum: Annotated[
        int | None, typer.Option("--quorum", metavar="N", min=0, help="How many witnesses must have signed.")
    ] = None,
    key: SigningKeys = None,
    passphrase_file: FromFile = None,
    dry_run: DryRun = False,
) -> Result:
    """Change the mode, the expiry, the registries and the keys of their logs, or the witnesses.

    Without a registry named, versions of any may be taken. --expires renews it.
    """
    draft = _opened(invocation, file).amend(
        mode=mode,
        expires=expires,
        registries=registry or (),
        without_registries=no_registry or (),
        witnesses=witness,
        quorum=quorum,
    )
    return _signed(invocation, "trust-amend", draft, key, passphrase_file, dry_run=dry_run)


@app.command()
@command
def sign(
    invocation: Invocation,
    file: File,
    *,
    key: SigningKeys = None,
    passphrase_file: FromFile = None,
    dry_run: DryRun = False,
) -> Result:
    """Add a root key's signature to the change that waits beside FILE, FILE.pending.

    With enough of them it takes the place of FILE. What it changes is shown; --dry-run shows it alone.
    """
    found = _opened(invocation, file)
    draft = found.awaited
    if draft is None:
        raise modelreg.UsageError(f"{found.path} is complete, and nothing waits for a signature beside it")
    return _signed(invocation, "trust-sign", draft, key, passphrase_file, dry_run=dry_run)


@app.command("import")
@command
def import_(
    invocation: Invocation,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="The trust store; after a rotation that was missed, each, oldest first."
        ),
    ],
    *,
    root: Annotated[
        str | None,
        typer.Option(
            "--root", metavar="FINGERPRINT", help="That of the roots, told by who keeps them.", show_default=False
        ),
    ] = None,
    dry_run: DryRun = False,
) -> Result:
    """Accept a trust store on this machine, and remember it beside your settings.

    The first is taken by the fingerprint of its roots, given or confirmed at a terminal. A later one must be signed by
    the roots of the one before, and be newer.
    """
    ask = _ask if is_terminal(sys.stdin) else None
    done = modelreg.import_trust_store([Path(file) for file in files], root=root, ask=ask, dry_run=dry_run)
    line = f"{files[-1]}: version {done.store.version} {_became(done)}"
    notes = []
    if invocation.settings().trust_store.value is None:
        notes.append(f'to use it: MODELREG_TRUST_STORE={done.path}, or trust_store = "{done.path}" in config.toml')
    return Result(
        schema="trust-import",
        value={
            "path": str(done.path),
            "before": None if done.before is None else done.before.version,
            "dry_run": dry_run,
            **store_value(done.store),
        },
        blocks=(Lines((line, f"fingerprint of the roots: {done.store.root.fingerprint}")),),
        quiet=(str(done.path),),
        notes=tuple(notes),
    )


@app.command()
@command
def announce(
    invocation: Invocation,
    file: File,
    *,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="What changed.", show_default=False)
    ] = None,
    sign: SignWith = None,
    no_sign: NoSign = False,
    passphrase_file: FromFile = None,
) -> Result:
    """State in the registry's log which version the trust store is, for auditors and watchers.

    Nobody trusts anybody because of it: a trust store is accepted by its root keys alone.
    """
    given = {} if reason is None else {"reason": reason}
    with invocation.registry() as registry:
        key = key_of(invocation, sign, passphrase_file, no_sign=no_sign)
        done = registry.announce_trust(file, signer=key.signer, **given)
    lines = [f"version {done.version} of the trust store is in the log"]
    if done.signed_by is not None:
        lines.append(f"signed by {key.name} ({done.signed_by[:KEY_ID_SHOWN]})")
    return Result(
        schema="trust-announce",
        value={
            "version": done.version,
            "fingerprint": done.fingerprint,
            "reason": done.reason,
            "signed_by": done.signed_by,
            "not_signed": key.why_not,
            "checkpoint_problem": done.checkpoint_problem,
        },
        blocks=(Lines(tuple(lines)),),
        quiet=(done.fingerprint,),
        notes=(*unsigned(key, "the statement"), *uncovered(done.checkpoint_problem)),
    )


def _ask(store: TrustStore) -> None:
    """Let a person compare the fingerprint; raises ``ConfirmationError`` unless the answer is yes."""
    names = ", ".join(sorted(map(store.label, store.root.keys)))
    question = (
        f"Version {store.version} ({store.mode.value}) is signed by {store.root.threshold} of {names}; "
        f"the roots have the fingerprint\n{store.root.fingerprint}\nIs that what those who keep the root keys told you?"
    )
    if not typer.confirm(question, err=True):
        raise ConfirmationError("the answer was no; nothing was changed")


def _became(done: ImportedTrust) -> str:
    if done.before == done.store:
        return f"was accepted before, and is remembered in {done.path}"
    after = "" if done.before is None else f", after version {done.before.version}"
    return f"would be accepted{after}" if done.dry_run else f"accepted{after}, and remembered in {done.path}"


def _keyring(invocation: Invocation) -> Keyring:
    return modelreg.Keyring.open(invocation.settings())


def _opened(invocation: Invocation, file: str) -> TrustFile:
    return modelreg.TrustFile.open(Path(file), _keyring(invocation))


def _signed(
    invocation: Invocation,
    schema: str,
    draft: TrustDraft,
    keys: list[str] | None,
    passphrase_file: str | None,
    *,
    dry_run: bool,
) -> Result:
    """Sign the draft with the root keys that are here, and write it."""
    if dry_run:
        return draft_result(schema, draft, None)
    elsewhere = [name for name in keys or () if modelreg.is_key_elsewhere(name)]
    named = [name for name in keys or () if name not in elsewhere]
    names = [*elsewhere, *(() if elsewhere and not named else draft.signing_keys(named))]
    return draft_result(schema, draft, draft.save([unlocked(invocation, name, passphrase_file) for name in names]))
