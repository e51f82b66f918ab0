"""What is known of a version before its files are read, without a registry; and the policy that arguments and settings make."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from tests.conftest import make_manifest
from tests.notes import signed as signed_checkpoint
from tests.unit.trust.people import KEYS, ids, role, signed, store

from modelreg import load_settings
from modelreg.client import checks
from modelreg.client.checks import accepted, accepted_bytes, evidence_of, policy_of, target_of, with_signatures
from modelreg.client.memory import Memory, Seen, address_of
from modelreg.client.signing import make_bundles
from modelreg.config import Settings
from modelreg.db.records import Index
from modelreg.digest import sha256_hex
from modelreg.errors import RefusedError, StoreError
from modelreg.findings import Severity, Verdict
from modelreg.manifest import IndexEntry
from modelreg.rules import RULES, Mode, Purpose
from modelreg.store.local import LocalStore
from modelreg.store.memory import MemoryStore
from modelreg.trust.merkle import EMPTY_ROOT
from modelreg.verify import Evidence, Judgement, KeptBundle

MANIFEST = make_manifest()
DATA = MANIFEST.to_bytes()
ENTRY = IndexEntry.of(MANIFEST, sha256_hex(DATA))
MADE = make_bundles(MANIFEST, DATA, KEYS["ada"])
KEPT = tuple(KeptBundle(made.indexed, made.data) for made in MADE)


def settings_of(tmp_path: Path, **flags: Any) -> Settings:
    return load_settings({"keys": str(tmp_path / "keys"), **flags}, environ={}, cwd=tmp_path)


def trusting(tmp_path: Path) -> Settings:
    """The settings of somebody whose trust store lets ada sign."""
    path = tmp_path / "trust.json"
    document = store(roles=(role("*", "ada"),), expires_at="2099-01-01T00:00:00Z")
    path.write_bytes(signed(document, "ada", "bob"))
    return settings_of(tmp_path, trust_store=str(path))


def filled(*more: bytes) -> MemoryStore:
    blobs = MemoryStore()
    for data in (DATA, *(made.data for made in MADE), *more):
        blobs.put(data)
    return blobs


def test_a_manifest_is_read_by_its_row(tmp_path: Path) -> None:
    """Claim: its bytes, or none where the blob is gone or the row names no blob; signatures only where settings are."""
    assert evidence_of(filled(), ENTRY) == Evidence(ENTRY.digest, DATA, ENTRY)
    for entry in (dataclasses.replace(ENTRY, digest="0" * 64), dataclasses.replace(ENTRY, digest="../manifest")):
        for settings in (None, trusting(tmp_path)):
            assert evidence_of(filled(), entry, settings) == Evidence(entry.digest, None, entry)


def test_a_row_that_names_no_blob_has_no_manifest(tmp_path: Path) -> None:
    """Claim: a store of files, which would call it an error, is not asked."""
    entry = dataclasses.replace(ENTRY, digest="../manifest")
    assert evidence_of(LocalStore(tmp_path / "store"), entry) == Evidence(entry.digest, None, entry)


def test_a_manifest_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: one that is as long as a manifest can be is read, a longer blob is not taken into memory."""
    monkeypatch.setattr(checks, "DOCUMENT_SIZE_BYTES_MAX", len(DATA))
    assert evidence_of(filled(), ENTRY).manifest == DATA
    endless = DATA + b" "
    with pytest.raises(StoreError):
        evidence_of(filled(endless), dataclasses.replace(ENTRY, digest=sha256_hex(endless)))


def test_the_bundles_of_a_row_are_read_and_judged(tmp_path: Path) -> None:
    """Claim: those that the row lists, by the trust store of the settings."""
    entry = dataclasses.replace(ENTRY, bundles=tuple(made.indexed for made in MADE))
    found = evidence_of(filled(), entry, trusting(tmp_path))
    assert (found.signed_by, found.doubts, found.unsigned) == (ids("ada"), (), Severity.REFUSE)
    assert (found.bundles, found.log_index) == (KEPT, None)


def test_nothing_is_said_of_signatures_where_there_are_none_and_none_are_asked_for(tmp_path: Path) -> None:
    """Claim: then no key is read either; with a trust store it is, and a missing signature is as grave as it says."""
    evidence = Evidence(ENTRY.digest, DATA)
    assert with_signatures(evidence, (), settings_of(tmp_path)) is evidence
    assert with_signatures(evidence, (), trusting(tmp_path)).unsigned is Severity.REFUSE
    assert with_signatures(evidence, KEPT, settings_of(tmp_path)).bundles == KEPT


@pytest.mark.parametrize(
    "evidence",
    [Evidence(ENTRY.digest, None), Evidence("0" * 64, DATA), Evidence(sha256_hex(b"{}"), b"{}")],
    ids=["gone", "other bytes", "no manifest"],
)
def test_a_manifest_that_is_none_is_signed_by_nobody(tmp_path: Path, evidence: Evidence) -> None:
    """Claim: verify refuses it, whoever signed what."""
    assert with_signatures(evidence, KEPT, trusting(tmp_path)) is evidence


def test_an_argument_wins_over_the_settings(tmp_path: Path) -> None:
    """Claim: for its own rule; the others of the settings stay."""
    settings = settings_of(tmp_path, allow="MR201,MR203", strict="MR501,MR301", require_signature="true")
    plain = policy_of(settings, Purpose.PULL)
    assert (plain.allow, plain.strict) == (frozenset({"MR201", "MR203"}), frozenset({"MR501", "MR301"}))
    assert (plain.mode, plain.require_signature, plain.provides, plain.safe_mode) == (Mode.DEFAULT, True, None, False)
    given = policy_of(settings, Purpose.PULL, safe_mode=True, mode=Mode.VERIFY, allow=["MR501"], strict=["MR201"])
    assert (given.allow, given.strict) == (frozenset({"MR203", "MR501"}), frozenset({"MR301", "MR201"}))
    assert (given.mode, given.safe_mode) == (Mode.VERIFY, True)
    assert policy_of(settings, Purpose.PULL, provides=()).provides == frozenset()


class Held:
    """An index whose log has no checkpoint."""

    @contextlib.contextmanager
    def reading_log(self) -> Iterator[Held]:
        yield self

    def newest_checkpoint(self) -> None:
        return None


def test_the_log_of_an_index_is_held_against_what_was_seen(tmp_path: Path) -> None:
    """Claim: of versions that nobody signed, too; without an index nothing is asked."""
    index, evidence = cast("Index", Held()), Evidence(ENTRY.digest, DATA)
    for settings in (settings_of(tmp_path), trusting(tmp_path)):
        assert with_signatures(evidence, (), settings, index).doubts == ()
        Memory().remember(address_of(settings), Seen.of(signed_checkpoint(EMPTY_ROOT, 0).note.to_bytes()))
        assert [doubt.rule for doubt in with_signatures(evidence, (), settings, index).doubts] == ["MR208"]
        assert with_signatures(evidence, (), settings).doubts == ()
        Memory().forget(address_of(settings))


REFUSAL = RULES["MR202"].found("a signature is by nobody that it names", fix="ask")
WARNING = RULES["MR201"].found("nobody has signed it")


def test_a_verdict_that_refuses_is_raised_by_its_gravest_finding() -> None:
    """Claim: with what to do; one that warns hands the manifest out."""
    good = Judgement(Verdict((WARNING,)), MANIFEST, DATA)
    assert accepted(good, "it was not pulled") is MANIFEST
    with pytest.raises(RefusedError, match=r"^it was not pulled: a signature is by nobody that it names$") as caught:
        accepted(dataclasses.replace(good, verdict=Verdict((WARNING, REFUSAL))), "it was not pulled")
    assert (caught.value.hint, caught.value.verdict.findings) == ("ask", (REFUSAL, WARNING))


def test_what_the_bytes_say_is_added_to_a_verdict() -> None:
    """Claim: and refuses by itself."""
    assert accepted_bytes(Verdict(), [WARNING], "it").findings == (WARNING,)
    with pytest.raises(RefusedError, match=r"^it: a signature is by nobody"):
        accepted_bytes(Verdict((WARNING,)), [REFUSAL], "it")


def test_what_a_target_is(tmp_path: Path) -> None:
    """Claim: what is named, else what the settings name; ``none`` is none, and only a default is implied."""
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("keras==2.13.1\n")
    named = settings_of(tmp_path, target=str(requirements))
    for found in (target_of(None, named), target_of(str(requirements), settings_of(tmp_path, target="none"))):
        assert found is not None
        assert (found.name, found.is_implied) == (str(requirements), False)
        assert found.environment.distributions["keras"] == "2.13.1"
    assert target_of(None, settings_of(tmp_path, target="none")) is target_of("none", named) is None
    nothing_set = settings_of(tmp_path)
    implied, given = target_of(None, nothing_set), target_of(str(requirements), nothing_set)
    assert implied is not None
    assert given is not None
    assert (implied.is_implied, given.is_implied) == (True, False)


def test_what_the_settings_provide_is_provided(tmp_path: Path) -> None:
    """Claim: unless an argument says otherwise."""
    settings = settings_of(tmp_path, provides="Scale")
    assert policy_of(settings, Purpose.PULL).provides == frozenset({"Scale"})
    assert policy_of(settings, Purpose.PULL, provides=["Other"]).provides == frozenset({"Other"})
