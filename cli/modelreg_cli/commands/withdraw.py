"""``modelreg withdraw``."""

from __future__ import annotations

from typing import Annotated

import typer

import modelreg
from modelreg_cli.checks import Reference
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.passphrases import FromFile
from modelreg_cli.result import Lines, Result
from modelreg_cli.signing import KEY_ID_SHOWN, NoSign, PushKey, SignWith, key_of, unsigned
from modelreg_cli.wording import prefixed, uncovered

app = new_app()


@app.command()
@command
def withdraw(
    invocation: Invocation,
    reference: Reference,
    *,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; whoever pulls it is told.", show_default=False)
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    sign: SignWith = None,
    no_sign: NoSign = False,
    passphrase_file: FromFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which version it would be, and do nothing.")] = False,
) -> Result:
    """Refuse a version from now on, and say why.

    Its bytes and its number stay. A withdrawal cannot be taken back; push the model again instead. It is a statement in
    the log, signed as a push is, so that clients whose trust store names the log refuse the version even where
    somebody hides that.
    """
    with invocation.registry() as registry:
        entry, exactly = invocation.resolve(registry, reference)
        name, done, key = f"{entry.model}:{entry.version}", None, PushKey()
        if entry.withdrawn_at is not None:
            raise modelreg.ConflictError(
                f"{name} was withdrawn on {entry.withdrawn_at[:10]}: {entry.withdrawn_reason}",
                hint=f"modelreg show {name}",
            )
        if not dry_run:
            invocation.confirm(f"Withdraw {name}? It cannot be taken back.", yes=yes)
            key = key_of(invocation, sign, passphrase_file, no_sign=no_sign)
            done = registry.withdraw(exactly, reason, signer=key.signer)
    lines = [f"{name} would be withdrawn; nothing was changed" if done is None else f"{name} is withdrawn: {reason}"]
    if done is not None and done.signed_by is not None:
        lines.append(f"signed by {key.name} ({done.signed_by[:KEY_ID_SHOWN]})")
    problem = done.checkpoint_problem if done else None
    return Result(
        schema="withdraw",
        value={
            "reference": name,
            "model": entry.model,
            "version": entry.version,
            "digest": prefixed(entry.digest),
            "reason": reason,
            "withdrawn_at": done.withdrawn_at if done else None,
            "signed_by": done.signed_by if done else None,
            "not_signed": key.why_not,
            "checkpoint_problem": problem,
            "dry_run": dry_run,
        },
        blocks=(Lines(tuple(lines)),),
        quiet=(f"sha256:{entry.digest}",),
        notes=(*unsigned(key, "the withdrawal"), *uncovered(problem)),
    )
