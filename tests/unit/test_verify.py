"""Verification: the fixed order of checks, each on evidence that fails exactly there."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.environment.document import Environment
from modelreg.facts import Container, Defect, DefectKind, Extent, Facts, LambdaCode, Tensor
from modelreg.findings import Decision, Severity
from modelreg.manifest import FileEntry, IndexedFile, IndexEntry, Manifest, manifest_digest
from modelreg.rules import RULES, Mode, Policy, Target
from modelreg.verify import (
    TENSORS_NAMED_MAX,
    Evidence,
    foreign_file,
    missing_file,
    verify,
    wrong_chunks,
    wrong_sha256,
    wrong_size,
)

Make = Callable[..., Manifest]
EntryOf = Callable[[str, bytes], FileEntry]
MODES = list(Mode)


def evidence_of(manifest: Manifest, **changes: Any) -> Evidence:
    """Evidence that agrees with itself, with ``changes`` applied to the index entry."""
    data = manifest.to_bytes()
    digest = manifest_digest(data)
    return Evidence(digest, data, dataclasses.replace(IndexEntry.of(manifest, digest), **changes))


def rules_of(evidence: Evidence, policy: Policy | None = None, target: Target | None = None) -> list[str]:
    judgement = verify(evidence, policy or Policy(), target)
    return [finding.rule for finding in judgement.verdict.findings if finding.severity is not Severity.INFO]


def test_good_evidence_gives_the_manifest_and_its_exact_bytes(make_manifest: Make) -> None:
    """Claim: where nothing disagrees, only the missing signature is said, and the manifest is handed out."""
    manifest = make_manifest()
    judgement = verify(evidence_of(manifest), Policy(), None)
    assert judgement.verdict.decision is Decision.WARNED
    assert [finding.rule for finding in judgement.verdict.findings] == ["MR201"]
    assert judgement.manifest == manifest
    assert judgement.manifest_bytes == manifest.to_bytes()


@pytest.mark.parametrize("mode", MODES)
def test_the_manifest_s_digest_is_checked_before_it_is_parsed(make_manifest: Make, mode: Mode) -> None:
    """Claim: bytes under another digest are never parsed: not even their nonsense is reported, only the digest."""
    data = b'{"_type": not even JSON'
    judgement = verify(Evidence("0" * 64, data), Policy(mode=mode), None)
    (finding,) = judgement.verdict.findings
    assert (finding.rule, judgement.verdict.exit, judgement.manifest) == ("MR101", 8, None)
    assert manifest_digest(data) in finding.message
    assert "JSON" not in finding.message


@pytest.mark.parametrize("mode", MODES)
def test_a_manifest_that_is_not_there_refuses(mode: Mode) -> None:
    """Claim: a missing manifest is corruption in every mode."""
    judgement = verify(Evidence("0" * 64, None), Policy(mode=mode), None)
    assert (judgement.verdict.exit, judgement.manifest, judgement.manifest_bytes) == (8, None, b"")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("key", ["version", "model", "files"])
def test_a_manifest_with_the_right_digest_that_breaks_its_grammar_refuses(
    make_manifest: Make, mode: Mode, key: str
) -> None:
    """Claim: whoever can forge the row's digest too still cannot get nonsense past: it is corrupt, not an exception."""
    value = json.loads(make_manifest().to_bytes())
    value["predicate"][key] = {"version": 0, "model": "../x", "files": []}[key]
    data = json.dumps(value).encode()
    judgement = verify(Evidence(manifest_digest(data), data), Policy(mode=mode), None)
    assert [finding.rule for finding in judgement.verdict.findings] == ["MR101"]
    assert judgement.verdict.exit == 8


ROW_CHANGES: dict[str, Any] = {
    "model": "other",
    "version": 2,
    "created_at": "2026-11-23T18:55:37Z",
    "pushed_by": "eve",
    "container": "onnx",
    "keras_version": None,
    "size_bytes": 1,
    "files": (),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("field", ROW_CHANGES)
def test_a_row_that_disagrees_in_one_field_refuses_and_names_it(make_manifest: Make, field: str, mode: Mode) -> None:
    """Claim: every field of the index is compared, and no mode turns the comparison off."""
    judgement = verify(evidence_of(make_manifest(), **{field: ROW_CHANGES[field]}), Policy(mode=mode), None)
    told = [finding for finding in judgement.verdict.findings if finding.rule == "MR102"]
    assert [f"says {field} = " in finding.message for finding in told] == [True]
    assert judgement.verdict.exit == 8


def test_every_field_of_the_index_is_either_compared_or_state() -> None:
    """Claim: a field that is added to the index later is compared from the first day."""
    state = {"withdrawn_at", "withdrawn_reason", "aliases", "bundles"}
    compared = {field.name for field in dataclasses.fields(IndexEntry)} - state - {"digest"}
    assert compared == set(ROW_CHANGES)


def test_a_row_s_file_with_another_digest_refuses(make_manifest: Make) -> None:
    """Claim: the files of the index are compared one by one."""
    manifest = make_manifest()
    forged = (IndexedFile("plain.h5", manifest.size_bytes, "0" * 64),)
    assert rules_of(evidence_of(manifest, files=forged)) == ["MR102", "MR201"]


def test_state_that_may_change_is_no_disagreement(make_manifest: Make) -> None:
    """Claim: aliases move without making a version corrupt."""
    assert rules_of(evidence_of(make_manifest(), aliases=("production",))) == ["MR201"]


def test_a_withdrawn_version_refuses_with_its_reason(make_manifest: Make) -> None:
    """Claim: withdrawal is a policy refusal (exit 4) that says when and why, and --allow MR501 is heard."""
    evidence = evidence_of(make_manifest(), withdrawn_at="2026-11-23T19:00:00Z", withdrawn_reason="leaked labels")
    judgement = verify(evidence, Policy(), None)
    assert judgement.verdict.exit == 4
    assert "withdrawn on 2026-11-23: leaked labels" in judgement.verdict.refusals[0].message
    assert verify(evidence, Policy(allow=frozenset({"MR501"})), None).verdict.exit == 0


@pytest.mark.parametrize("mode", MODES)
def test_a_demanded_signature_that_is_not_there_refuses(make_manifest: Make, mode: Mode) -> None:
    """Claim: require_signature refuses with 16 in every mode but the explicit --no-verify, and says who demands it."""
    judgement = verify(evidence_of(make_manifest()), Policy(mode=mode, require_signature=True), None)
    assert judgement.verdict.exit == (0 if mode is Mode.NO_VERIFY else 16)
    assert "the policy demands one" in judgement.verdict.findings[0].message


def test_verify_alone_demands_no_signature(make_manifest: Make) -> None:
    """Claim: under --verify an unsigned version still only warns."""
    assert verify(evidence_of(make_manifest()), Policy(mode=Mode.VERIFY), None).verdict.exit == 0


def test_a_signature_by_a_trusted_key_is_enough(make_manifest: Make) -> None:
    """Claim: one verified signer satisfies the demand."""
    evidence = dataclasses.replace(evidence_of(make_manifest()), signed_by=("key-1",))
    assert rules_of(evidence, Policy(require_signature=True)) == []


@pytest.mark.parametrize(
    ("unsigned", "demanded", "severity"),
    [
        (None, "", Severity.WARN),
        (Severity.INFO, "", Severity.INFO),
        (Severity.WARN, "", Severity.WARN),
        (Severity.REFUSE, "; the trust store demands one", Severity.REFUSE),
    ],
)
def test_a_trust_store_says_how_grave_a_missing_signature_is(
    make_manifest: Make, unsigned: Severity | None, demanded: str, severity: Severity
) -> None:
    """Claim: only where one is demanded that is said, and by whom, and what to do."""
    evidence = dataclasses.replace(evidence_of(make_manifest()), unsigned=unsigned)
    (finding,) = verify(evidence, Policy(), None).verdict.findings
    assert finding.message == f"fraud:1 has no signature by a trusted key{demanded}"
    assert (finding.severity, finding.fix == "pull a signed version") == (severity, bool(demanded))


@pytest.mark.parametrize("signed_by", [(), ("key-1",)])
def test_doubts_are_told_whoever_signed(make_manifest: Make, signed_by: tuple[str, ...]) -> None:
    """Claim: a forgery beside a good signature refuses too."""
    doubt = RULES["MR202"].found("a signature is by nobody that it names")
    evidence = dataclasses.replace(evidence_of(make_manifest()), signed_by=signed_by, doubts=(doubt,))
    judgement = verify(evidence, Policy(), None)
    assert doubt in judgement.verdict.refusals
    assert judgement.verdict.exit == 16


def test_what_was_pulled_is_judged_without_a_database(make_manifest: Make) -> None:
    """Claim: a folder has no row to be compared with, and what is known of its signers goes on with the judgement."""
    data = make_manifest().to_bytes()
    evidence = Evidence(manifest_digest(data), data, signed_by=("key-1",), log_index=7)
    judgement = verify(evidence, Policy(), None)
    assert judgement.verdict.findings == ()
    assert (judgement.signed_by, judgement.log_index, judgement.manifest_bytes) == (("key-1",), 7, data)


@pytest.mark.parametrize(("length", "told"), [(118, "x" * 118 + "'"), (119, "x" * 116 + "...")])
def test_a_long_value_of_a_row_is_cut(make_manifest: Make, length: int, told: str) -> None:
    """Claim: a message has up to 120 characters of what a row says."""
    judgement = verify(evidence_of(make_manifest(), pushed_by="x" * length), Policy(), None)
    assert f"the database says pushed_by = '{told}, the manifest says 'ada'" in judgement.verdict.refusals[0].message


def test_everything_that_is_wrong_is_told_at_once(make_manifest: Make) -> None:
    """Claim: a verdict names every kind of refusal, so that its exit status is their sum."""
    facts = Facts(
        Container.KERAS_HDF5,
        "plain.h5",
        lambdas=(LambdaCode("scale", "scale", ("3.8", "3.9")),),
        defects=(Defect(DefectKind.TRUNCATED_HDF5, "plain.h5", "short"),),
    )
    evidence = evidence_of(
        make_manifest(facts=facts), pushed_by="eve", withdrawn_at="2026-11-23T19:00:00Z", withdrawn_reason="bad"
    )
    target = Target("gate", Environment(python="3.11.7"))
    judgement = verify(evidence, Policy(mode=Mode.VERIFY, require_signature=True), target)
    assert judgement.verdict.exit == 4 + 8 + 16 + 32 + 64
    assert judgement.verdict.target == "gate"


@pytest.mark.parametrize(
    ("indices", "places"),
    [
        ([0], ["bytes 0 to 4,095"]),
        ([3], ["bytes 12,288 to 16,383"]),
        ([0, 1, 3], ["bytes 0 to 8,191", "bytes 12,288 to 16,383"]),
        ([2, 1], ["bytes 4,096 to 12,287"]),
    ],
)
def test_runs_of_wrong_chunks_are_told_by_their_bytes(
    make_manifest: Make, indices: list[int], places: list[str]
) -> None:
    """Claim: neighbouring chunks are one finding with the exact byte range."""
    manifest = make_manifest()
    found = list(wrong_chunks(manifest, manifest.files[0], indices))
    assert [place in finding.message for place, finding in zip(places, found, strict=True)] == [True] * len(places)
    assert {finding.rule for finding in found} == {"MR104"}


@given(st.sets(st.integers(0, 40)))
def test_runs_cover_exactly_the_wrong_chunks(make_manifest: Make, entry_of: EntryOf, indices: set[int]) -> None:
    """Claim: the ranges of all findings together are the wrong chunks, none more, none less."""
    manifest = make_manifest(files=(entry_of("plain.h5", bytes(41 * 4096)),))
    told: set[int] = set()
    for finding in wrong_chunks(manifest, manifest.files[0], indices):
        first, last = (
            int(text.replace(",", "")) for text in finding.message.split("bytes ")[1].split(" differ")[0].split(" to ")
        )
        chunks = set(range(first // 4096, last // 4096 + 1))
        assert not chunks & told
        told |= chunks
    assert told == indices


def test_the_tensors_that_a_wrong_chunk_hits_are_named(make_manifest: Make) -> None:
    """Claim: a chunk that holds a tensor's byte names it; a chunk that holds none says so."""
    manifest = make_manifest()
    inside, outside = (next(iter(wrong_chunks(manifest, manifest.files[0], [index]))) for index in (1, 0))
    assert "in tensor 'dense/kernel:0'" in inside.message
    assert inside.where == "plain.h5, offset 4096"
    assert "outside every tensor" in outside.message


@pytest.mark.parametrize(("count", "more"), [(4, ""), (5, " and 1 more"), (9, " and 5 more")])
def test_many_tensors_in_one_chunk_are_counted(make_manifest: Make, count: int, more: str) -> None:
    """Claim: the first few are named, the rest counted, and those of other chunks are not among them."""
    places = [4096 + 4 * number for number in range(count)]
    tensors = tuple(Tensor(f"t{at}", (1,), "float32", "plain.h5", (Extent(at, 4),)) for at in (0, *places, 8192))
    manifest = make_manifest(facts=Facts(Container.KERAS_HDF5, "plain.h5", tensors=tensors))
    (finding,) = wrong_chunks(manifest, manifest.files[0], [1])
    named = ", ".join(f"'t{at}'" for at in places[:TENSORS_NAMED_MAX])
    assert finding.message.endswith(f"in tensor {named}{more}")


def test_findings_about_files_are_corruption_that_nothing_turns_off(make_manifest: Make) -> None:
    """Claim: missing, wrong size, wrong digest refuse; a foreign file refuses unless it is allowed by name."""
    entry = make_manifest().files[0]
    for finding in (missing_file(entry), wrong_size(entry, 3), wrong_sha256(entry, "0" * 64)):
        assert (finding.kind.exit_bit, finding.severity) == (8, Severity.REFUSE)
    assert "3 bytes are there, 16,384 were pushed" in wrong_size(entry, 3).message
    assert foreign_file("x", Policy()).severity is Severity.REFUSE
    assert foreign_file("x", Policy(allow=frozenset({"MR106"}))).severity is Severity.INFO
