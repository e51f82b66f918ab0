"""A witness on a whole registry: what he co-signs, what he refuses, and what a client makes of it."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import pytest
from tests.threats.world import OLD, World
from tests.unit.trust.people import KEYS

from modelreg import NotFoundError, Registry, SigningError, UsageError, load_settings
from modelreg.client.witnessing import Witnessed, witness, witness_memory
from modelreg.errors import UntrustedError
from modelreg.trust.checkpoint import Fork, open_checkpoint
from modelreg.trust.keys import Algorithm, PrivateKey
from modelreg.trust.note import NoteSigner, SignatureType, VerifierKey
from modelreg.trust.trust_store import Witnesses

pytestmark = pytest.mark.slow

KEY = PrivateKey.generate(Algorithm.ED25519)
SIGNER = NoteSigner("witness", KEY)


def look(world: World, folder: Path, *, dry_run: bool = False) -> Witnessed:
    registry = world.publisher
    keys = [VerifierKey.parse(registry.log_key())]
    return witness(registry._index, registry._origin(), keys, SIGNER, witness_memory(SIGNER, folder), dry_run=dry_run)


def test_a_cosignature_stands_under_the_checkpoint(world: World, tmp_path: Path) -> None:
    """Claim: the note is the log's with one more line, which verifies; it is shown with the head and kept once."""
    key, log = VerifierKey.parse(look(world, tmp_path).key), VerifierKey.parse(world.publisher.log_key())
    again = look(world, tmp_path)
    found = open_checkpoint(again.note, [log], [key])
    assert found.witnesses == {KEY.public.id}
    assert (again.size, "still" in again.reason) == (4, True)
    shown = world.publisher.log_checkpoint().note.encode()
    assert open_checkpoint(shown, [log], [key]).witnesses == {KEY.public.id}
    assert shown.count(b"\n\xe2\x80\x94 ") == 2
    assert world.publisher.log_audit(keys=[world.publisher.log_key()]).is_clean


def test_a_rehearsal_signs_and_keeps_nothing(world: World, tmp_path: Path) -> None:
    """Claim: with ``dry_run`` the answer is the same, and neither database nor witness knows of it."""
    assert look(world, tmp_path, dry_run=True).reason == look(world, tmp_path, dry_run=True).reason
    assert world.publisher.log_checkpoint().note.count("— ") == 1
    assert list(tmp_path.rglob("*.note")) == []


def test_a_log_that_grew_is_followed(world: World, tmp_path: Path) -> None:
    """Claim: by a proof from what was co-signed before."""
    look(world, tmp_path)
    world.push("churn", OLD)
    assert "grew" in look(world, tmp_path).reason


def test_a_log_that_was_put_back_is_not_co_signed(world: World, tmp_path: Path) -> None:
    """Claim: a smaller log is refused, and one with another history at the same size is kept as evidence, both notes."""
    before = world.snapshot()
    world.push("churn", OLD)
    look(world, tmp_path)
    world.restore(before)
    with pytest.raises(UntrustedError, match="4 entries, where 5 were co-signed"):
        look(world, tmp_path)
    with world.at_home_of("attacker"):
        world.push("fraud", OLD)
    with pytest.raises(UntrustedError, match="two roots of 5 entries"):
        look(world, tmp_path)
    (kept,) = tmp_path.rglob("*.json")
    assert Fork.parse(kept.read_bytes()).is_proven([VerifierKey.parse(world.publisher.log_key())])


def test_what_was_co_signed_is_not_forgotten(world: World, tmp_path: Path) -> None:
    """Claim: where the witness's memory is damaged nothing is co-signed: a new beginning would vouch for any history."""
    look(world, tmp_path)
    (path,) = tmp_path.rglob("*.note")
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(UntrustedError, match="co-signed before cannot be used"):
        look(world, tmp_path)


def test_two_witnesses_at_once_decide_one_after_the_other(world: World, tmp_path: Path) -> None:
    """Claim: both end with the same note, and one line of this witness stands under it."""
    found: list[Witnessed] = []
    threads = [threading.Thread(target=lambda: found.append(look(world, tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.size for one in found} == {4}
    assert world.publisher.log_checkpoint().note.count("— ") == 2


def test_a_quorum_is_asked_of_the_newest_that_has_it(world: World, tmp_path: Path) -> None:
    """Claim: without a witness an enforced client refuses; with one it takes what he co-signed, and not yet what is newer."""
    vkey = look(world, tmp_path, dry_run=True).key
    world.trust(dataclasses.replace(world.document, version=2, witnesses=Witnesses((vkey,), 1)))
    assert str(world.pull("enforce")) == "refused, exit 16 (MR208)"
    look(world, tmp_path)
    assert str(world.pull("enforce")) == "takes the right model"
    world.point(world.push("fraud", OLD))
    assert str(world.pull("enforce", "fraud:2")) == "takes the right model"
    assert str(world.pull("enforce", "fraud:3")) == "refused, exit 16 (MR208)"
    look(world, tmp_path)
    assert str(world.pull("enforce", "fraud:3")) == "takes an old model"


def test_a_forged_cosignature_is_refused(world: World, tmp_path: Path) -> None:
    """Claim: a line that names the witness and is not by him refuses; one that is no line is as none."""
    vkey = look(world, tmp_path).key
    world.trust(dataclasses.replace(world.document, version=2, witnesses=Witnesses((vkey,), 1)))
    for line in ("CAST(replace(line, 'A', 'B') AS BLOB)", "x'ff'", "'a text'", "7"):
        world.sql(f"UPDATE log_cosignatures SET line = {line}")
        assert str(world.pull("enforce")) == "refused, exit 16 (MR208)", line


def test_who_cannot_be_a_witness(world: World, tmp_path: Path) -> None:
    """Claim: a key that is not Ed25519, a log that nobody signed, and a log whose key is not known each say what to do."""
    with pytest.raises(SigningError) as caught:
        world.publisher.log_witness(KEYS["ada"], name="witness")
    assert "ed25519" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="no name of a key"):
        world.publisher.log_witness(KEY, name="a b")
    with Registry.open(settings=load_settings({"home": str(tmp_path / "empty")}, environ={}, cwd=tmp_path)) as empty:
        vkey = world.publisher.log_key()
        with pytest.raises(NotFoundError, match="no signed checkpoint"):
            empty.log_witness(KEY, name="witness", keys=[vkey])
    other = str(NoteSigner("other", KEY).key(SignatureType.ED25519))
    with pytest.raises(UntrustedError, match="not signed by a log"):
        world.publisher.log_witness(KEY, name="witness", keys=[other])
