"""Versions before a trust store that names the registry's log: proved, or told; and what the log's order makes of keys."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.logs import run_sql
from tests.unit.trust.people import KEYS, role, store

from modelreg import Purpose, Pushed, Registry, load_settings
from modelreg.client.logged import proved, read_evidence
from modelreg.errors import DocumentError
from modelreg.trust.acceptance import sign_trust_store
from modelreg.trust.checkpoint import Checkpoint, open_checkpoint
from modelreg.trust.keys import Algorithm, PrivateKey
from modelreg.trust.merkle import leaf_hash
from modelreg.trust.note import NoteSigner, SignatureType, VerifierKey
from modelreg.trust.roles import Revocation
from modelreg.trust.trust_store import Enforcement, TrustedRegistry, Witnesses

pytestmark = pytest.mark.slow

ADA, BOB, EVE = KEYS["ada"], KEYS["bob"], KEYS["eve"]
FAR = "2099-01-01T00:00:00Z"
Judge = Callable[..., tuple[dict[str, str], tuple[str, ...]]]
SEVERITY = {Enforcement.OFF: "info", Enforcement.WARN: "warn", Enforcement.ENFORCE: "refuse"}


@pytest.fixture
def push(registry: Registry, push: Callable[..., Pushed]) -> Callable[..., Pushed]:
    """``push()`` pushes the next version of ``fraud``."""
    return functools.partial(push, registry)


@pytest.fixture
def judge(registry: Registry, tmp_path: Path) -> Judge:
    """``judge(reference, log=VKEY, **changes)``: what is said of signatures under such a trust store, and who signed."""

    def run(reference: str, log: str | None = None, **changes: Any) -> tuple[dict[str, str], tuple[str, ...]]:
        named = TrustedRegistry(registry._origin(), log or registry.log_key())
        given: dict[str, Any] = {"roles": (role("*", "ada"),), "registries": (named,), "expires_at": FAR, **changes}
        path = tmp_path / "trust.json"
        path.write_bytes(sign_trust_store(store(**given), [KEYS["ada"], KEYS["bob"]]))
        flags = {"home": str(tmp_path / "home"), "target": "none", "trust_store": str(path)}
        with Registry.open(settings=load_settings(flags, environ={}, cwd=tmp_path)) as opened:
            _, judgement = opened.judge(reference, Purpose.PULL)
        found = {one.rule: one.severity.value for one in judgement.verdict.findings if one.rule.startswith("MR2")}
        return found, judgement.signed_by

    return run


@pytest.mark.parametrize("mode", Enforcement)
def test_what_no_checkpoint_covers_is_not_proved(
    registry: Registry, push: Callable[..., Pushed], judge: Judge, tmp_path: Path, mode: Enforcement
) -> None:
    """Claim: a version that the log's key never covered refuses, warns or informs as the mode says; a covered one passes."""
    push(signer=ADA)
    vkey, key = registry.log_key(), registry.settings.log_key.value
    assert key is not None
    assert judge("fraud:1", mode=mode) == ({}, (ADA.public.id,))
    key.rename(tmp_path / "away")
    push(signer=ADA)
    assert judge("fraud:2", vkey, mode=mode) == ({"MR208": SEVERITY[mode]}, (ADA.public.id,))


def test_what_was_signed_before_the_revocation_stays_good(
    registry: Registry, push: Callable[..., Pushed], judge: Judge
) -> None:
    """Attack: a key is stolen. What it signed before its revocation is taken; nothing after it, nor old versions anew."""
    push(signer=EVE)  # 0
    push()  # 1
    push(signer=EVE)  # 2: by the thief
    registry.sign("fraud:2", EVE)  # 3: by the thief, over a version that lies before
    revoked = (Revocation(EVE.public.id, reason="laptop stolen", from_index=2),)
    said = [judge(f"fraud:{version}", roles=(role("*", "eve"),), revocations=revoked) for version in (1, 2, 3)]
    refused: tuple[dict[str, str], tuple[str, ...]] = ({"MR201": "refuse", "MR204": "refuse"}, ())
    assert said == [({}, (EVE.public.id,)), refused, refused]


def test_a_role_counts_from_its_place_in_the_log(registry: Registry, push: Callable[..., Pushed], judge: Judge) -> None:
    """Claim: a version that one key had signed is good by the role of its time, after two keys are asked for."""
    push(signer=ADA)
    push(signer=ADA)
    roles = (role("*", "ada", until_index=1), role("*", "ada", "bob", threshold=2, from_index=1))
    assert judge("fraud:1", roles=roles) == ({}, (ADA.public.id,))
    assert judge("fraud:2", roles=roles) == ({"MR201": "refuse", "MR206": "refuse"}, ())
    registry.sign("fraud:2", BOB)
    assert judge("fraud:2", roles=roles) == ({}, tuple(sorted((ADA.public.id, BOB.public.id))))


@pytest.mark.parametrize("attack", ["another log", "other hashes", "other signers"])
def test_a_proof_that_does_not_verify_refuses(
    registry: Registry, push: Callable[..., Pushed], judge: Judge, attack: str
) -> None:
    """Attack: the database shows another log's checkpoint, hashes or entries; refused also where the store only warns."""
    push()
    push()
    changes: dict[str, Any] = {"mode": Enforcement.WARN}
    if attack == "another log":
        signer = NoteSigner(registry._origin(), PrivateKey.generate(Algorithm.ED25519))
        changes["log"] = str(signer.key(SignatureType.ED25519))
    elif attack == "other hashes":
        run_sql(registry, f"UPDATE log_nodes SET hash = X'{bytes(32).hex()}' WHERE level = 0 AND number = 0")
    else:
        leaf = registry.log_entries()[1]
        forged = f'{{"kind":"manifest","payloadSha256":"{leaf.payload_sha256}","signerKeyIds":["{ADA.public.id}"]}}'
        run_sql(registry, f"UPDATE log_leaves SET leaf = X'{forged.encode().hex()}' WHERE position = 1")
    assert judge("fraud:2", **changes) == ({"MR201": "warn", "MR208": "refuse"}, ())


@pytest.mark.parametrize(("mode", "told"), [(Enforcement.WARN, "warn"), (Enforcement.ENFORCE, "refuse")])
def test_without_a_witness_nothing_is_proved(
    registry: Registry, push: Callable[..., Pushed], judge: Judge, mode: Enforcement, told: str
) -> None:
    """Claim: where the trust store asks for a witness and none has co-signed, the mode says how grave that is."""
    push()
    witness = NoteSigner("witness", PrivateKey.generate(Algorithm.ED25519)).key(SignatureType.COSIGNATURE)
    changes: dict[str, Any] = {"mode": mode, "witnesses": Witnesses((str(witness),), 1)}
    assert judge("fraud:1", **changes) == ({"MR201": told, "MR208": told}, ())


def test_the_log_must_have_grown_from_what_was_seen(registry: Registry, push: Callable[..., Pushed]) -> None:
    """Claim: with a known checkpoint the proofs hold only if that is the beginning of the log, or the log of it."""
    push()
    logs = [VerifierKey.parse(registry.log_key())]
    early = open_checkpoint(registry.log_checkpoint().note.encode(), logs)
    push()
    push()
    digest = registry.resolve("fraud:1").digest
    for known in (early, open_checkpoint(registry.log_checkpoint().note.encode(), logs)):
        evidence = read_evidence(registry._index, digest, known.checkpoint)
        (place,) = proved(evidence, digest, logs, known=known)
        assert (place.index, place.head.checkpoint.size) == (0, 3)
    signer = registry._log_signer()
    assert signer is not None
    fork = Checkpoint(signer.name, 1, leaf_hash(b"another")).sign(signer).to_bytes()
    seen = open_checkpoint(fork, logs)
    with pytest.raises(DocumentError, match="seen before"):
        proved(read_evidence(registry._index, digest, seen.checkpoint), digest, logs, known=seen)
