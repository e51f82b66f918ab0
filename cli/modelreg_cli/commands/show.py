"""``modelreg show``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import modelreg
from modelreg_cli.checks import Allow, Provides, Reference, Strict, Target, Verify, checks_of
from modelreg_cli.facts import facts_blocks
from modelreg_cli.invocation import Invocation, command, new_app
from modelreg_cli.replaying import golden_line
from modelreg_cli.result import Block, Column, Fields, Result, Table
from modelreg_cli.wording import decided, entry_value, prefixed, size

if TYPE_CHECKING:
    from modelreg import Environment, Version

app = new_app()


@app.command()
@command
def show(
    invocation: Invocation,
    reference: Reference,
    verify: Verify = None,
    target: Target = None,
    strict: Strict = None,
    allow: Allow = None,
    provides: Provides = None,
) -> Result:
    """Show everything about a version, and what a pull of it would find.

    A verdict that refuses is shown, not raised: the exit status is 0. Only a manifest that is not what was pushed
    cannot be shown.
    """
    checks = checks_of(target=target, verify=verify, strict=strict, allow=allow, provides=provides)
    with invocation.registry() as registry:
        version = registry.show(reference, **checks)
    return Result(
        schema="show",
        value={
            **entry_value(version.entry),
            "manifest": modelreg.to_json(version.manifest),
            "verdict": version.verdict.to_json(),
        },
        blocks=_blocks(version),
        quiet=(f"sha256:{version.entry.digest}",),
    )


def _blocks(version: Version) -> tuple[Block, ...]:
    entry, manifest = version.entry, version.manifest
    fields = Fields(
        (
            ("version", version.reference),
            ("digest", prefixed(entry.digest)),
            ("pushed", f"{entry.created_at} by {entry.pushed_by}"),
            ("aliases", ", ".join(entry.aliases)),
            ("withdrawn", entry.withdrawn_at and f"{entry.withdrawn_at}: {entry.withdrawn_reason}"),
            ("previous", prefixed(manifest.previous)),
            ("size", size(entry.size_bytes)),
            ("pushed with", _environment(manifest.push)),
            ("tool", manifest.tool),
            ("golden", golden_line(manifest.golden) if manifest.golden else None),
            *((f"meta {key}", value) for key, value in sorted(manifest.metadata.items())),
            (
                "verdict",
                decided(version.verdict) + (f" for {version.verdict.target}" if version.verdict.target else ""),
            ),
        )
    )
    files = Table(
        (Column("FILE"), Column("BYTES", right=True), Column("SHA-256")),
        [(file.path, f"{file.size_bytes:,}", file.sha256) for file in manifest.files],
    )
    findings = Table(
        (Column("RULE"), Column("SEVERITY"), Column("KIND"), Column("FINDING")),
        [(found.rule, found.severity.value, found.kind.value, found.message) for found in version.verdict.findings],
    )
    return (
        fields,
        files,
        *facts_blocks(manifest.facts, tensors=False),
        *((findings,) if version.verdict.findings else ()),
    )


def _environment(environment: Environment | None) -> str | None:
    """``Python 3.11.7, TensorFlow 2.21.0, Keras 3.15.1 on Linux x86_64``."""
    if environment is None:
        return None
    named = (("Python", environment.python), ("TensorFlow", environment.tensorflow), ("Keras", environment.keras))
    versions = ", ".join(f"{name} {version}" for name, version in named if version)
    place = " ".join(part for part in (environment.system, environment.machine) if part)
    return f"{versions} on {place}" if place else versions
