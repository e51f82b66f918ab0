"""Which manifests are the versions of a model, decided by what they say of each other."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import make_manifest

from modelreg.client.care import LossKind
from modelreg.client.lineage import Candidate, Lineage, decide
from modelreg.db.rows import rows_of
from modelreg.digest import sha256_hex


def candidate(version: int, previous: Candidate | None, *, mark: str = "", is_file: bool = False) -> Candidate:
    digest = sha256_hex(f"{version}{mark}{previous and previous.entry.digest}".encode())
    named = previous.entry.digest if previous else None
    return Candidate(rows_of(make_manifest(version=version), digest), named, "registry", is_file)


def chain(length: int) -> list[Candidate]:
    found: list[Candidate] = []
    for version in range(1, length + 1):
        found.append(candidate(version, found[-1] if found else None))
    return found


def versions(found: Lineage) -> list[int]:
    return [one.entry.version for one in reversed(found.chosen)]


def kinds(found: Lineage) -> list[LossKind]:
    return [loss.kind for loss in found.losses]


def test_a_whole_chain_is_taken_whole() -> None:
    """Claim: where every version names the one before, all are taken and nothing is lost."""
    found = decide("fraud", chain(5), {})
    assert (versions(found), found.losses, found.unnamed) == ([1, 2, 3, 4, 5], [], [])


def test_a_manifest_beside_the_one_that_is_named_was_never_committed() -> None:
    """Claim: of two manifests of one version the one that the next version names is taken, the other told."""
    whole = chain(3)
    dead = candidate(2, whole[0], mark="dead")
    found = decide("fraud", [dead, *whole], {})
    assert [one.entry.digest for one in reversed(found.chosen)] == [one.entry.digest for one in whole]
    assert (found.unnamed, found.losses) == ([dead], [])


def test_two_manifests_at_the_top_are_both_told_and_neither_is_taken() -> None:
    """Claim: nothing is guessed at the top, and the versions below are taken all the same."""
    whole = chain(3)
    rival = candidate(3, whole[1], mark="rival")
    found = decide("fraud", [*whole, rival], {})
    assert (versions(found), kinds(found)) == ([1, 2], [LossKind.CONFLICT])
    assert set(found.losses[0].manifests) == {whole[2].entry.digest, rival.entry.digest}


def test_a_person_can_decide_a_conflict() -> None:
    """Claim: the digest that was given is taken, the other counts as never committed."""
    whole = chain(3)
    rival = candidate(3, whole[1], mark="rival")
    found = decide("fraud", [*whole, rival], {}, frozenset({rival.entry.digest}))
    assert (versions(found), found.losses, found.unnamed) == ([1, 2, 3], [], [whole[2]])
    assert found.chosen[0] is rival


def test_a_missing_manifest_is_a_gap_that_names_its_digest() -> None:
    """Claim: a lost version is not filled by another manifest of its number, and the rest is taken."""
    whole = chain(5)
    dead = candidate(3, whole[1], mark="dead")
    found = decide("fraud", [whole[0], whole[1], dead, *whole[3:]], {})
    assert (versions(found), kinds(found)) == ([1, 2, 4, 5], [LossKind.GAP])
    assert found.losses[0].manifests == (whole[2].entry.digest,)
    assert found.unnamed == [dead]


def test_missing_numbers_are_told_as_one_gap() -> None:
    """Claim: a number of two thousand million makes one line, not as many."""
    far = candidate(2**31 - 1, chain(1)[0])
    found = decide("fraud", [far], {})
    assert [loss.versions for loss in found.losses] == [("fraud:1", "fraud:2147483646")]


def test_a_manifest_that_is_also_a_pushed_file_is_not_believed() -> None:
    """Claim: whoever pushes a forged manifest as a model adds no version by it."""
    whole = chain(2)
    forged = candidate(3, whole[1], is_file=True)
    found = decide("fraud", [*whole, forged], {})
    assert (versions(found), kinds(found)) == ([1, 2], [LossKind.DOUBTFUL])


def test_a_version_whose_manifest_was_pushed_as_a_file_is_taken_when_a_later_one_names_it() -> None:
    """Claim: a pulled manifest that somebody pushed does not take its version away."""
    one, two = chain(2)
    pushed = Candidate(one.rows, one.previous, one.registry, is_file=True)
    assert versions(decide("fraud", [pushed, two], {})) == [1, 2]


def test_what_the_database_has_is_neither_chosen_again_nor_contradicted() -> None:
    """Claim: beside listed versions only what is missing is chosen, and a rival of a listed one never."""
    whole = chain(4)
    rival = candidate(4, whole[2], mark="rival")
    pinned = {2: whole[1].entry.digest, 4: whole[3].entry.digest}
    found = decide("fraud", [*whole, rival], pinned)
    assert (versions(found), found.known, found.unnamed, found.losses) == ([1, 3], 2, [rival], [])


@dataclass(frozen=True)
class History:
    """What a registry really did: the committed chain, and manifests of pushes that died at some version."""

    committed: list[Candidate]
    dead: list[Candidate]


@st.composite
def histories(draw: st.DrawFn) -> History:
    committed = chain(draw(st.integers(1, 8)))
    dead: list[Candidate] = []
    for number in draw(st.lists(st.integers(1, len(committed)), max_size=6)):
        before = committed[number - 2] if number > 1 else None
        dead.append(candidate(number, before, mark=f"dead{len(dead)}"))
    return History(committed, dead)


@given(histories(), st.randoms())
def test_no_dead_push_is_taken_for_a_version_that_another_one_follows(history: History, order: object) -> None:
    """Claim: whatever died on the way, each version but the newest is exactly the committed one."""
    given = [*history.committed, *history.dead]
    order.shuffle(given)  # type: ignore[attr-defined]
    found = decide("fraud", given, {})
    wanted = {one.entry.version: one.entry.digest for one in history.committed}
    newest = len(history.committed)
    taken = {one.entry.version: one.entry.digest for one in found.chosen}
    assert taken.items() <= wanted.items()
    has_rival = any(one.entry.version == newest for one in history.dead)
    assert wanted.keys() - taken.keys() == ({newest} if has_rival else set())
    assert kinds(found) == ([LossKind.CONFLICT] if has_rival else [])
