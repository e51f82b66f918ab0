"""What each attacker does, and what becomes of each client: the promises, as data.  ``test_threats`` keeps them.

``python -m tests.threats.table`` writes the table of ``docs/threat-model.md`` anew.  A table, and so longer than
400 lines.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.care import flipped
from tests.threats.world import ADA, CHURN, MALLORY, OLD, PRODUCTION, RIGHT, THEIRS, World

from modelreg.digest import sha256_hex
from modelreg.environment.document import Environment
from modelreg.refs import VERSION_MAX
from modelreg.trust import dsse
from modelreg.trust.leaf import LogLeaf

PAGE = Path(__file__).resolve().parents[2] / "docs" / "threat-model.md"
BEGIN, FINISH = "<!-- attacks -->\n", "<!-- end of attacks -->\n"
CLIENTS = {
    "fresh": "no key, no trust store, nothing seen before",
    "enforce": "the publisher's trust store, mode enforce, which names the log",
    "returning": "the same, and has pulled before the attack",
    "locked": "the same as enforce, and a lock file of before the attack",
}
TAKES_RIGHT = "takes the right model"


@dataclass(frozen=True, slots=True)
class Attack:
    """``powers`` as in the notes: i blobs, ii rows, iii both, iv old rows, key.  ``promised`` is by client."""

    title: str
    powers: str
    act: Callable[[World], object]
    promised: Mapping[str, str]
    remains: str = ""
    reference: str = PRODUCTION


def all_clients(outcome: str) -> dict[str, str]:
    return dict.fromkeys(CLIENTS, outcome)


def other_bytes(world: World) -> None:
    world.overwrite(sha256_hex(RIGHT), flipped(RIGHT))


def other_manifest(world: World) -> None:
    _, digest = world.manifest("fraud:2")
    data = world.publisher.store.read(digest, 1_000_000)
    world.overwrite(digest, data.replace(b'"pushed_by"', b'"pushed-by"'))


def endless_blob(world: World) -> None:
    world.overwrite(sha256_hex(RIGHT), RIGHT + bytes(64 * 1024 * 1024))


def blobs_deleted(world: World) -> None:
    world.delete_blob(sha256_hex(RIGHT))


def arbitrary_installation(world: World) -> None:
    world.replace_second_version()


def key_substitution(world: World) -> None:
    world.replace_second_version(MALLORY)


def swapped_environment(world: World) -> None:
    """The genuine files in a manifest that tells of another environment, to pass a target's judgement."""
    found, _ = world.manifest("fraud:2")
    world.replace_second_version(files=found.files, push=Environment(distributions={"keras": "3.0.0"}))


def mix_and_match(world: World) -> None:
    """The rows tell of another format, to pass a judgement by rows."""
    world.sql("UPDATE versions SET keras_version = '3.0.0' WHERE version = 2")


def renamed_model(world: World) -> None:
    """The genuine, signed ``churn`` is served as ``fraud``."""
    _, churn = world.manifest("churn:1")
    _, fraud = world.manifest("fraud:2")
    world.sql("UPDATE versions SET digest = :new WHERE digest = :old", new="0" * 64, old=churn)
    world.sql("UPDATE versions SET digest = :new WHERE digest = :old", new=churn, old=fraud)


def signature_stripping(world: World) -> None:
    world.sql("DELETE FROM bundles")


def malleability(world: World) -> None:
    """Of each ECDSA signature the other valid form, under its own digest."""
    entry = world.publisher.resolve("fraud:2")
    for listed in entry.bundles:
        if listed.kind != "manifest":
            continue
        envelope = dsse.Envelope.parse(world.publisher.store.read(listed.sha256, 1_000_000))
        bent = dsse.Envelope(
            envelope.payload_type,
            envelope.payload,
            tuple(dsse.Signature(each.key_id, other_form(each.sig)) for each in envelope.signatures),
        )
        new = world.publisher.store.put(bent.to_bytes())
        assert new != listed.sha256
        world.sql("UPDATE bundles SET sha256 = :new WHERE sha256 = :old", new=new, old=listed.sha256)


def other_form(signature: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551 - s)


def alias_rewind(world: World) -> None:
    world.rewind_to(1)


def alias_rewind_restated(world: World) -> None:
    """The same with a move of the attacker's own, which nobody who may has signed, and the next push covers it."""
    world.attacker.alias("fraud:1", "production")
    world.push("churn", CHURN)


def alias_rewind_replayed(world: World) -> None:
    """The genuine, signed move of a month ago is logged once more."""
    world.point("fraud:1")
    world.point("fraud:2")
    world.pull("returning")
    world.rewind_to(1)
    with world.publisher._index.transaction() as transaction:
        first = transaction.statements.chain("pointer", "fraud", "production")[1]
        transaction.log.append([LogLeaf("pointer", first.sha256, (ADA.public.id,))])
    world.sql("DELETE FROM statements WHERE kind = 'pointer' AND sequence = 3")
    world.publisher.log_checkpoint()


def restored_backup(world: World) -> None:
    """A backup of when production was the second version; the third was reviewed and locked since."""
    before = world.snapshot()
    world.point(world.push("fraud", CHURN))
    world.lock = world.locked()
    world.pull("returning")
    world.restore(before)


def honest_restore(world: World) -> None:
    """The same by accident, and the publisher goes on: another third version."""
    restored_backup(world)
    world.point(world.push("fraud", OLD))


def hidden_withdrawal(world: World) -> None:
    world.publisher.withdraw("fraud:2", "wrong labels", signer=ADA)
    world.sql("UPDATE versions SET withdrawn_at = NULL, withdrawn_reason = NULL")


def fast_forward(world: World) -> None:
    """The newest number there can be, so that no later push is ever newer."""
    world.sql(
        "UPDATE versions SET version = :last WHERE version = 2 AND model_id = (SELECT id FROM models WHERE name = 'fraud')",
        last=VERSION_MAX,
    )


def stolen_key(world: World) -> None:
    """The thief pushes as ada, before anybody has noticed; the next honest push lets the log cover it."""
    world.attacker.alias(world.push("fraud", THEIRS, by=world.attacker), "production", signer=ADA)
    world.push("churn", CHURN)


def revoked_key(world: World) -> None:
    """The same, after it was noticed and the trust store revokes the key."""
    stolen_key(world)
    world.revoke("ada")


def fork(world: World) -> None:
    """Whoever runs the log, and has ada's key, shows another history."""
    with world.at_home_of("attacker"):
        _forked(world)


def _forked(world: World) -> None:
    for table in ("log_checkpoints", "log_nodes", "log_leaves", "statements"):
        world.sql(f"DELETE FROM {table}")
    world.replace_second_version(ADA)
    with world.publisher._index.transaction() as transaction:
        transaction.log.append_unlogged()
    world.publisher.sign("fraud:1", ADA)
    world.point("fraud:2")


STRANGER = f"{TAKES_RIGHT}, warned (MR201, MR203)"
ATTACKS = (
    Attack("Other bytes under a known digest", "i", other_bytes, all_clients("refused, exit 8 (MR104)")),
    Attack("Another manifest under a known digest", "i", other_manifest, all_clients("refused, exit 8 (MR101)")),
    Attack("Endless data", "i", endless_blob, all_clients("refused, exit 8 (MR103)")),
    Attack("Blobs deleted", "i", blobs_deleted, all_clients("refused, exit 8 (MR103)"), "availability"),
    Attack(
        "Row and blobs replaced together (arbitrary installation)",
        "iii",
        arbitrary_installation,
        {
            "fresh": "takes the attacker's model, warned (MR201)",
            "enforce": "refused, exit 16 (MR201, MR208, MR212)",
            "returning": "refused, exit 16 (MR201, MR208, MR212)",
            "locked": "refused, exit 16 (MR201, MR208, MR211, MR212)",
        },
        "a client that demands no signature",
    ),
    Attack(
        "The same, signed by the attacker's own key (key substitution)",
        "iii",
        key_substitution,
        {
            "fresh": "takes the attacker's model, warned (MR201, MR203)",
            "enforce": "refused, exit 16 (MR201, MR203, MR208, MR212)",
            "returning": "refused, exit 16 (MR201, MR203, MR208, MR212)",
            "locked": "refused, exit 16 (MR201, MR203, MR208, MR211, MR212)",
        },
        "a client that demands no signature",
    ),
    Attack(
        "The genuine files, told to be of another environment",
        "iii",
        swapped_environment,
        {
            "fresh": f"{TAKES_RIGHT}, warned (MR201)",
            "enforce": "refused, exit 16 (MR201, MR208, MR212)",
            "returning": "refused, exit 16 (MR201, MR208, MR212)",
            "locked": "refused, exit 16 (MR201, MR208, MR211, MR212)",
        },
        "a client that demands no signature",
    ),
    Attack(
        "Rows that tell of another format (mix-and-match)", "ii", mix_and_match, all_clients("refused, exit 8 (MR102)")
    ),
    Attack(
        "A genuine model under another name",
        "ii",
        renamed_model,
        {
            "fresh": "refused, exit 24 (MR102, MR202)",
            "enforce": "refused, exit 24 (MR102, MR201, MR202, MR212)",
            "returning": "refused, exit 24 (MR102, MR201, MR202, MR212)",
            "locked": "refused, exit 24 (MR102, MR201, MR202, MR211, MR212)",
        },
    ),
    Attack(
        "Signatures taken away (stripping)",
        "ii",
        signature_stripping,
        {
            "fresh": f"{TAKES_RIGHT}, warned (MR201)",
            "enforce": "refused, exit 16 (MR201)",
            "returning": "refused, exit 16 (MR201)",
            "locked": "refused, exit 16 (MR201, MR211)",
        },
    ),
    Attack(
        "Another valid form of the same signature",
        "iii",
        malleability,
        {"fresh": STRANGER, "enforce": TAKES_RIGHT, "returning": TAKES_RIGHT, "locked": TAKES_RIGHT},
        "nothing: a version is known by what was signed, never by its signature",
    ),
    Attack(
        "The alias put back to an old version (rollback)",
        "ii",
        alias_rewind,
        {
            "fresh": "takes an old model, warned (MR201, MR203)",
            "enforce": "refused, exit 16 (MR212)",
            "returning": "refused, exit 16 (MR212)",
            "locked": "refused, exit 16 (MR211, MR212)",
        },
        "who does not know the log's key",
    ),
    Attack(
        "The same, stated in the log by nobody who may",
        "ii",
        alias_rewind_restated,
        {
            "fresh": "takes an old model, warned (MR201, MR203)",
            "enforce": "refused, exit 16 (MR212)",
            "returning": "refused, exit 16 (MR212)",
            "locked": "refused, exit 16 (MR211, MR212)",
        },
        "who does not know the log's key",
    ),
    Attack(
        "The same, with the genuine move of last month stated again",
        "ii",
        alias_rewind_replayed,
        {
            "fresh": "takes an old model, warned (MR201, MR203)",
            "enforce": "refused, exit 16 (MR208)",
            "returning": "refused, exit 16 (MR212)",
            "locked": "refused, exit 16 (MR208, MR211)",
        },
        "who does not know the log's key",
    ),
    Attack(
        "An old backup put back (freeze)",
        "iv",
        restored_backup,
        {
            "fresh": STRANGER,
            "enforce": TAKES_RIGHT,
            "returning": "refused, exit 16 (MR208)",
            "locked": "refused, exit 16 (MR208, MR211)",
        },
        "undetected at first contact: there a model is taken that was right until yesterday",
    ),
    Attack(
        "An honest restore that gives a number twice",
        "iv",
        honest_restore,
        {
            "fresh": "takes an old model, warned (MR201, MR203)",
            "enforce": "refused, exit 16 (MR208, MR212)",
            "returning": "refused, exit 16 (MR208)",
            "locked": "refused, exit 16 (MR208, MR211)",
        },
        "who does not know the log's key; whoever pushed is told that the log was put back, and signs nothing",
    ),
    Attack(
        "A withdrawal hidden",
        "ii",
        hidden_withdrawal,
        {
            "fresh": STRANGER,
            "enforce": "refused, exit 4 (MR501)",
            "returning": "refused, exit 4 (MR501)",
            "locked": "refused, exit 4 (MR501)",
        },
        "who does not know the log's key",
    ),
    Attack(
        "The last version number there is (fast-forward)",
        "ii",
        fast_forward,
        {
            "fresh": "refused, exit 8 (MR102)",
            "enforce": "refused, exit 24 (MR102, MR212)",
            "returning": "refused, exit 24 (MR102, MR212)",
            "locked": "refused, exit 24 (MR102, MR212)",
        },
    ),
    Attack(
        "A stolen key, not yet noticed",
        "iii, key",
        stolen_key,
        {
            "fresh": "takes the attacker's model, warned (MR201, MR203)",
            "enforce": "takes the attacker's model",
            "returning": "takes the attacker's model",
            "locked": "refused, exit 16 (MR211)",
        },
        "who has no lock file, until it is noticed; a role with a threshold of two",
    ),
    Attack(
        "A stolen key that was revoked",
        "iii, key",
        revoked_key,
        {
            "fresh": "takes the attacker's model, warned (MR201, MR203)",
            "enforce": "refused, exit 16 (MR201, MR204, MR212)",
            "returning": "refused, exit 16 (MR201, MR204, MR212)",
            "locked": "refused, exit 16 (MR201, MR204, MR211, MR212)",
        },
        "who has not got the newest trust store",
    ),
    Attack(
        "Another history of the log, signed (fork)",
        "iii, key, log key",
        fork,
        {
            "fresh": "takes the attacker's model, warned (MR201, MR203)",
            "enforce": "takes the attacker's model",
            "returning": "refused, exit 16 (MR208)",
            "locked": "refused, exit 16 (MR208, MR211)",
        },
        "undetected at first contact without a witness",
    ),
)


def table() -> str:
    """The rows of the page."""
    names = list(CLIENTS)
    lines = [f"| attack | power | {' | '.join(names)} | what remains |", "|---" * (len(names) + 3) + "|"]
    for attack in ATTACKS:
        outcomes = " | ".join(attack.promised[name] for name in names)
        lines.append(f"| {attack.title} | {attack.powers} | {outcomes} | {attack.remains or '-'} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """The page with the table that there is now."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(FINISH)
    return before + BEGIN + "\n" + table() + "\n" + FINISH + after


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{len(ATTACKS)} attacks written to {PAGE.name}\n")
