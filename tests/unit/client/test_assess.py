"""Who signed a version, by its bundles' bytes alone: what makes a signer, what is a remark, and what refuses."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.conftest import make_manifest
from tests.notes import ORIGIN, log_key, signed, witness_key
from tests.proofs import MemoryLog
from tests.unit.trust.authority import MIDDLE, SIGNS_DATA, authority, issue
from tests.unit.trust.people import IDS, KEYS, ids, role, store

from modelreg.client import trusting
from modelreg.client.anchor import Anchor
from modelreg.client.logged import LogEvidence
from modelreg.client.trusting import Assessment, History, Trusted, assess
from modelreg.digest import sha256_hex
from modelreg.findings import Finding, Severity
from modelreg.manifest import BundleKind, IndexedBundle
from modelreg.rules import RULES
from modelreg.trust import dsse, oms
from modelreg.trust.decision import STRANGERS_NAMED_MAX
from modelreg.trust.leaf import LogLeaf
from modelreg.trust.oms_statement import statement_of
from modelreg.trust.proof import LogProof
from modelreg.trust.signers.certified import CertifiedSigner
from modelreg.trust.trust_store import Enforcement, TrustedRegistry, TrustStore, Witnesses
from modelreg.verify import KeptBundle

MANIFEST = make_manifest(registry=ORIGIN)
DATA = MANIFEST.to_bytes()
FILES = [(entry.path, entry.sha256) for entry in MANIFEST.files]
PROBLEM = RULES["MR209"].found("something is wrong with the trust store", severity=Severity.REFUSE)
SEVERITIES = [
    (Enforcement.OFF, Severity.INFO),
    (Enforcement.WARN, Severity.WARN),
    (Enforcement.ENFORCE, Severity.REFUSE),
]


def kept(data: bytes, kind: str = BundleKind.MANIFEST) -> KeptBundle:
    return KeptBundle(IndexedBundle(sha256_hex(data), kind), data)


def over_manifest(*names: str, data: bytes = DATA, payload_type: str = dsse.IN_TOTO_TYPE) -> KeptBundle:
    """One envelope with those people's signatures."""
    return kept(dsse.sign(payload_type, data, [KEYS[name] for name in names]).to_bytes())


def over_files(name: str, files: list[tuple[str, str]] = FILES) -> KeptBundle:
    return kept(oms.sign(statement_of(files, name=MANIFEST.model), KEYS[name]).to_bytes(), BundleKind.OMS)


def own(*names: str, **changes: Any) -> Trusted:
    """The keys of the user's own, and no trust store."""
    return Trusted(tuple(KEYS[name].public for name in names), **changes)


def believed(document: TrustStore, problem: Finding | None = None) -> Trusted:
    return Trusted(document.public_keys(), Anchor(document, problem), problem)


def told(found: Assessment) -> list[tuple[str, str]]:
    return [(doubt.rule, doubt.severity.value) for doubt in found.doubts]


def message(found: Assessment) -> str:
    (doubt,) = found.doubts
    return doubt.message


def test_own_keys_make_signers() -> None:
    """Claim: each of the user's keys that signed the manifest, sorted, from however many envelopes."""
    found = assess(MANIFEST, DATA, [over_manifest("bob"), over_manifest("ada")], own("ada", "bob", "cyd"))
    assert found == Assessment(tuple(sorted(ids("ada", "bob"))))


@pytest.mark.parametrize(
    ("bundle", "reason"),
    [
        (over_manifest("ada", data=DATA + b" "), "it signs something else than the version's manifest"),
        (over_manifest("ada", payload_type="text/plain"), "it signs something else than the version's manifest"),
        (over_files("ada", [("other.h5", "0" * 64)]), "it signs other files: "),
        (kept(b"{}"), ""),
        (kept(b"{}", BundleKind.OMS), ""),
        (KeptBundle(IndexedBundle("0" * 64, "manifest"), DATA), "its bytes are not those of its digest"),
    ],
    ids=["another manifest", "another type", "other files", "no envelope", "no bundle", "another digest"],
)
def test_what_is_not_what_it_claims_refuses(bundle: KeptBundle, reason: str) -> None:
    """Claim: a bundle of another thing is told as a forgery, and makes nobody a signer."""
    found = assess(MANIFEST, DATA, [bundle], own("ada"))
    assert (found.signed_by, told(found)) == ((), [("MR202", "refuse")])
    assert message(found).startswith(f"the signature {bundle.listed.sha256[:12]} of fraud:1: {reason}")


def test_a_bundle_that_is_gone_is_missed() -> None:
    """Claim: its row without its bytes warns, and says where to look."""
    found = assess(MANIFEST, DATA, [KeptBundle(IndexedBundle("0" * 64, "manifest"), None)], own("ada"))
    assert told(found) == [("MR202", "warn")]
    assert found.doubts[0].fix == "modelreg fsck"


def test_strangers_are_told_as_a_warning_or_as_a_remark() -> None:
    """Claim: a warning where nobody else signed, a remark beside a signature of the user's own."""
    stranger = over_manifest("eve")
    assert told(assess(MANIFEST, DATA, [stranger], own("ada"))) == [("MR203", "warn")]
    assert message(assess(MANIFEST, DATA, [stranger], own("ada"))).startswith(
        f"fraud:1 is signed by the key {IDS['eve'][:12]}, which is none of yours"
    )
    assert told(assess(MANIFEST, DATA, [stranger, over_manifest("ada")], own("ada"))) == [("MR203", "info")]


def test_a_signature_that_names_an_own_key_and_is_not_by_it_refuses() -> None:
    """Claim: also beside a good one by another key of the user's."""
    (real,) = dsse.sign(dsse.IN_TOTO_TYPE, DATA, [KEYS["eve"]]).signatures
    forged = kept(dsse.Envelope(dsse.IN_TOTO_TYPE, DATA, (dsse.Signature(IDS["ada"], real.sig),)).to_bytes())
    found = assess(MANIFEST, DATA, [forged, over_manifest("bob")], own("ada", "bob"))
    assert (found.signed_by, told(found)) == (ids("bob"), [("MR202", "refuse")])
    assert message(found) == f"a signature on fraud:1 names your key {IDS['ada'][:12]} and is not by it"
    good = assess(MANIFEST, DATA, [forged, over_manifest("ada")], own("ada"))
    assert (good.signed_by, good.doubts) == (ids("ada"), ())


def test_strangers_are_named_as_they_name_themselves_and_not_without_end() -> None:
    """Claim: what is no key id is quoted and cut; of very many, some are told."""
    (real,) = dsse.sign(dsse.IN_TOTO_TYPE, DATA, [KEYS["eve"]]).signatures
    named = kept(dsse.Envelope(dsse.IN_TOTO_TYPE, DATA, (dsse.Signature("\x1b" + "x" * 99, real.sig),)).to_bytes())
    assert f"the key '\\x1b{'x' * 39}', which" in message(assess(MANIFEST, DATA, [named], own("ada")))
    crowd = tuple(dsse.Signature(f"{number:04}", real.sig) for number in range(60))
    many = kept(dsse.Envelope(dsse.IN_TOTO_TYPE, DATA, crowd).to_bytes())
    assert len(assess(MANIFEST, DATA, [many], own("ada")).doubts) == STRANGERS_NAMED_MAX


def test_signatures_are_counted_over_all_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: so many are read of one version, whatever kind they are of, and a further one refuses."""
    monkeypatch.setattr(trusting, "SIGNATURES_MAX", 3)
    three = [over_files("ada"), over_manifest("ada", "bob")]
    assert assess(MANIFEST, DATA, three, own("ada", "bob")).doubts == ()
    found = assess(MANIFEST, DATA, [*three, over_manifest("cyd")], own("ada", "bob", "cyd"))
    assert (found.signed_by, told(found)) == (tuple(sorted(ids("ada", "bob"))), [("MR202", "refuse")])
    assert "more than the 3 signatures that are read" in message(found)


def test_a_bundle_over_the_files_makes_nobody_a_signer() -> None:
    """Claim: it names no version; the right one says nothing, and a stranger's neither."""
    assert assess(MANIFEST, DATA, [over_files("ada")], own("ada")) == Assessment()
    assert assess(MANIFEST, DATA, [over_files("eve", [("x", "0" * 64)])], own("ada")) == Assessment()


def test_a_changed_bundle_over_the_files_refuses_by_its_hint() -> None:
    """Claim: one that says it is by a trusted key and is not."""
    hints = {name: str(oms.Bundle.parse(over_files(name).data or b"").hint) for name in ("ada", "eve")}
    swapped = kept(
        (over_files("eve").data or b"").replace(hints["eve"].encode(), hints["ada"].encode()), BundleKind.OMS
    )
    assert told(assess(MANIFEST, DATA, [swapped], own("ada"))) == [("MR202", "refuse")]
    assert assess(MANIFEST, DATA, [swapped], own("bob")).doubts == ()


@pytest.mark.parametrize(("mode", "severity"), SEVERITIES)
def test_the_mode_says_what_is_unsigned(mode: Enforcement, severity: Severity) -> None:
    """Claim: nothing that is missing is doubted here: verify says it, as gravely as the mode is."""
    found = assess(MANIFEST, DATA, [], believed(store(mode=mode, roles=(role("*", "ada"),))))
    assert found == Assessment((), (), severity)


def test_who_had_to_sign_has_signed() -> None:
    """Claim: enough of a role's keys are named; fewer are nobody."""
    trusted = believed(store(roles=(role("*", "ada", "bob", threshold=2),)))
    both = assess(MANIFEST, DATA, [over_manifest("ada"), over_manifest("bob")], trusted)
    assert (both.signed_by, both.doubts, both.log_index) == (tuple(sorted(ids("ada", "bob"))), (), None)
    one = assess(MANIFEST, DATA, [over_manifest("ada")], trusted)
    assert (one.signed_by, told(one)) == ((), [("MR206", "refuse")])


def test_a_forged_signature_is_told_under_a_trust_store() -> None:
    """Claim: what a signature says of itself only tells a forgery from a stranger."""
    (real,) = dsse.sign(dsse.IN_TOTO_TYPE, DATA, [KEYS["eve"]]).signatures
    forged = kept(dsse.Envelope(dsse.IN_TOTO_TYPE, DATA, (dsse.Signature(IDS["ada"], real.sig),)).to_bytes())
    found = assess(MANIFEST, DATA, [forged], believed(store(mode=Enforcement.WARN, roles=(role("*", "ada"),))))
    assert (found.signed_by, told(found)) == ((), [("MR205", "warn"), ("MR202", "refuse")])


@pytest.mark.parametrize(("mode", "severity"), SEVERITIES)
def test_another_registry_s_version_has_no_signers(mode: Enforcement, severity: Severity) -> None:
    """Claim: of a registry that the store does not name nothing counts, and each thing that is wrong is still told."""
    document = store(mode=mode, roles=(role("*", "ada"),), registries=(TrustedRegistry("another"),))
    found = assess(MANIFEST, DATA, [over_manifest("ada"), kept(b"{}")], believed(document, PROBLEM))
    assert (found.signed_by, found.unsigned, found.log_index) == ((), severity, None)
    assert told(found) == [("MR209", "refuse"), ("MR205", severity.value), ("MR202", "refuse")]


def test_a_trust_store_that_cannot_be_used_refuses() -> None:
    """Claim: nobody is a signer, and what is unsigned is refused."""
    trusted = Trusted((), Anchor(None, PROBLEM), PROBLEM)
    found = assess(MANIFEST, DATA, [over_manifest("ada"), kept(b"{}")], trusted)
    assert (found.signed_by, found.unsigned) == ((), Severity.REFUSE)
    assert told(found) == [("MR209", "refuse"), ("MR202", "refuse")]


def test_what_is_wrong_with_the_log_is_told_in_every_case() -> None:
    """Claim: with own keys, with a trust store, and with one that cannot be used."""
    history = History((RULES["MR208"].found("the log shrank"),))
    for trusted in (own("ada"), believed(store(roles=(role("*", "ada"),))), Trusted((), Anchor(None), None)):
        assert told(assess(MANIFEST, DATA, [over_manifest("ada")], trusted, history)) == [("MR208", "refuse")]


ROOT = authority("Root")
LEAF = issue("Ada", [SIGNS_DATA], by=ROOT)
CERTIFIED = CertifiedSigner(LEAF.signer, (LEAF.der,))


def certified_over(files: list[tuple[str, str]] = FILES) -> KeptBundle:
    bundle = oms.sign(statement_of(files, name=MANIFEST.model), CERTIFIED, chain=CERTIFIED.chain)
    return kept(bundle.to_bytes(), BundleKind.OMS)


OVER_MANIFEST = kept(dsse.sign(dsse.IN_TOTO_TYPE, DATA, [CERTIFIED]).to_bytes())


def test_a_root_vouches_for_a_signer() -> None:
    """Claim: in whatever order the bundles are listed, where the root is named and while the certificates are valid."""
    under_root = own("bob", roots=(ROOT.parsed,), at=MIDDLE)
    for bundles in ([certified_over(), OVER_MANIFEST], [OVER_MANIFEST, certified_over()]):
        assert assess(MANIFEST, DATA, bundles, under_root) == Assessment((LEAF.signer.public.id,))
        assert told(assess(MANIFEST, DATA, bundles, own("bob"))) == [("MR203", "warn")]
        expired = own("bob", roots=(ROOT.parsed,), at=MIDDLE.replace(year=9998))
        assert told(assess(MANIFEST, DATA, bundles, expired)) == [("MR203", "warn"), ("MR203", "warn")]


def test_a_certificate_of_another_root_vouches_for_nobody() -> None:
    """Claim: it is a stranger's, which is told once for the files and once for the manifest."""
    other = own("bob", roots=(authority("Other").parsed,), at=MIDDLE)
    found = assess(MANIFEST, DATA, [certified_over(), OVER_MANIFEST], other)
    assert (found.signed_by, told(found)) == ((), [("MR203", "warn"), ("MR203", "warn")])


def test_a_certified_bundle_over_other_files_vouches_for_nobody() -> None:
    """Claim: it is a forgery, and its key signs nothing."""
    under_root = own("bob", roots=(ROOT.parsed,), at=MIDDLE)
    found = assess(MANIFEST, DATA, [certified_over([("x", "0" * 64)]), OVER_MANIFEST], under_root)
    assert (found.signed_by, told(found)) == ((), [("MR202", "refuse"), ("MR203", "warn")])


def test_roots_and_a_time_are_asked_for_before_a_certificate_is() -> None:
    """Claim: of somebody who names no roots nothing is said of a certificate, whatever time it is."""
    assert assess(MANIFEST, DATA, [certified_over()], own("bob", at=MIDDLE)) == Assessment()


def test_a_changed_certified_bundle_is_no_stranger_s() -> None:
    """Claim: one that its own certificate did not sign is a forgery, though no root is known for it."""
    other = issue("Eve", [SIGNS_DATA], by=ROOT)
    swapped = dataclasses.replace(oms.Bundle.parse(certified_over().data or b""), chain=(other.der,))
    found = assess(
        MANIFEST,
        DATA,
        [kept(swapped.to_bytes(), BundleKind.OMS)],
        own("bob", roots=(authority("Other").parsed,), at=MIDDLE),
    )
    assert told(found) == [("MR202", "refuse")]
    assert "has not signed it" in message(found)


ENTRIES = [
    LogLeaf("manifest", sha256_hex(b"another version"), ids("ada")),
    LogLeaf("manifest", sha256_hex(DATA), ids("ada")),
    LogLeaf("manifest", sha256_hex(DATA), ids("bob")),
    LogLeaf("manifest", sha256_hex(b"a third"), ()),
]


def shown(*places: int, origin: str = ORIGIN, problem: str | None = None, known: int | None = None) -> History:
    """What a registry shows of ``DATA`` at those places of its log of four entries."""
    log = MemoryLog()
    for entry in ENTRIES:
        log.append(entry.to_bytes())
    head = signed(log.roots[4], 4, origin)
    proofs = tuple(LogProof.make(log.read, ENTRIES[place], place, head).to_bytes() for place in places)
    return History((), LogEvidence(proofs, (), problem), signed(log.roots[4], known, origin) if known else None)


def logging(origin: str = ORIGIN, **changes: Any) -> Trusted:
    """A trust store that names the registry and the key of its log."""
    named = (TrustedRegistry(ORIGIN, str(log_key(origin))),)
    return believed(store(**{"roles": (role("*", "ada"),), "registries": named, **changes}))


def test_a_version_that_is_proved_has_its_place() -> None:
    """Claim: the first place at which enough of its signers had been logged."""
    ada, bob = over_manifest("ada"), over_manifest("bob")
    assert assess(MANIFEST, DATA, [ada], logging(), shown(1)) == Assessment(ids("ada"), (), Severity.REFUSE, 1)
    assert assess(MANIFEST, DATA, [ada], logging(), shown(2, 1)).log_index == 1
    two = logging(roles=(role("*", "ada", "bob", threshold=2),))
    assert assess(MANIFEST, DATA, [ada, bob], two, shown(2, 1)).log_index == 2
    late = assess(MANIFEST, DATA, [ada, bob], two, shown(1))
    assert (late.signed_by, late.doubts, late.log_index) == (tuple(sorted(ids("ada", "bob"))), (), None)


def test_a_forgery_beside_a_proved_signature_is_told() -> None:
    """Claim: the place in the log does not hide it."""
    (real,) = dsse.sign(dsse.IN_TOTO_TYPE, DATA, [KEYS["eve"]]).signatures
    forged = kept(dsse.Envelope(dsse.IN_TOTO_TYPE, DATA, (dsse.Signature(IDS["bob"], real.sig),)).to_bytes())
    found = assess(MANIFEST, DATA, [over_manifest("ada"), forged], logging(), shown(1))
    assert (found.signed_by, found.log_index, told(found)) == (ids("ada"), 1, [("MR202", "refuse")])


@pytest.mark.parametrize(("mode", "severity"), SEVERITIES)
def test_a_version_that_is_not_proved_is_told(mode: Enforcement, severity: Severity) -> None:
    """Claim: with the reason that the registry gives, as gravely as the mode is; with no registry asked nothing is."""
    trusted = logging(mode=mode)
    for given, reason in ((None, "the registry shows no proof"), ("nobody has signed it", "nobody has signed it")):
        found = assess(MANIFEST, DATA, [over_manifest("ada")], trusted, shown(problem=given))
        assert (found.signed_by, told(found)) == (ids("ada"), [("MR208", severity.value)])
        assert message(found).endswith(f"the log that the trust store names: {reason}")
    assert assess(MANIFEST, DATA, [over_manifest("ada")], trusted).doubts == ()


@pytest.mark.parametrize(
    ("mode", "severity"), [*SEVERITIES[:1], *((mode, Severity.REFUSE) for mode, _ in SEVERITIES[1:])]
)
def test_a_proof_that_proves_something_else_refuses(mode: Enforcement, severity: Severity) -> None:
    """Claim: of another version, by another log's key, or under too few witnesses: unless the store is off."""
    cases = [(logging(mode=mode), shown(0)), (logging("elsewhere", mode=mode), shown(1))]
    for trusted, history in cases:
        found = assess(MANIFEST, DATA, [over_manifest("ada")], trusted, history)
        assert (told(found), found.log_index) == ([("MR208", severity.value)], None)
        assert message(found).startswith("fraud:1: the ")


def test_only_a_trust_store_that_is_off_is_off() -> None:
    """Claim: not where none is named, nor where the one that is cannot be used; and neither names a log."""
    modes = [believed(store(mode=mode)).is_off for mode in (Enforcement.OFF, Enforcement.WARN, Enforcement.ENFORCE)]
    assert modes == [True, False, False]
    for trusted in (own("ada"), Trusted((), Anchor(None))):
        assert (trusted.is_off, trusted.log_keys) == (False, ())
    named = (TrustedRegistry("q"), TrustedRegistry(ORIGIN, str(log_key())))
    assert believed(store(registries=named)).log_keys == (log_key(),)


def test_too_few_witnesses_refuse() -> None:
    """Claim: the trust store's quorum is asked of the checkpoint of the proof."""
    watched = logging(witnesses=Witnesses((str(witness_key("w", 2)),), 1))
    found = assess(MANIFEST, DATA, [over_manifest("ada")], watched, shown(1))
    assert told(found) == [("MR208", "refuse")]
    assert "signed by 0 of the witnesses, 1 are asked for" in message(found)


def test_a_log_that_is_not_the_one_that_was_seen_refuses() -> None:
    """Claim: what was seen before is held against the proof's checkpoint."""
    found = assess(MANIFEST, DATA, [over_manifest("ada")], logging(), shown(1, known=3))
    assert told(found) == [("MR208", "refuse")]
    assert "that was seen before" in message(found)


def test_a_place_is_looked_for_behind_one_in_another_registry_s_log() -> None:
    """Claim: a version that two logs have is found in the one that counts."""
    elsewhere, here = shown(1, origin="elsewhere").evidence, shown(1).evidence
    assert elsewhere is not None
    assert here is not None
    named = (TrustedRegistry("q", str(log_key("elsewhere"))), TrustedRegistry(ORIGIN, str(log_key())))
    both = History((), LogEvidence((*elsewhere.proofs, *here.proofs)))
    found = assess(MANIFEST, DATA, [over_manifest("ada")], logging(registries=named), both)
    assert (found.doubts, found.log_index) == ((), 1)


def test_without_a_log_no_proof_is_asked_for() -> None:
    """Claim: what the registry shows of its log is let be where the trust store names none."""
    trusted = believed(store(roles=(role("*", "ada"),)))
    found = assess(MANIFEST, DATA, [over_manifest("ada")], trusted, shown(1))
    assert (found.signed_by, found.doubts, found.log_index) == (ids("ada"), (), None)


def test_another_registry_s_log_gives_no_place() -> None:
    """Claim: a log that the trust store names may have taken the version in; its numbers mean nothing to the roles."""
    foreign = assess(MANIFEST, DATA, [over_manifest("ada")], logging("elsewhere"), shown(1, origin="elsewhere"))
    assert (foreign.signed_by, foreign.doubts, foreign.log_index) == (ids("ada"), (), None)
