"""Who had to sign, and who did: every way in which that can go wrong is told apart, in words, with keys by name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.trust.people import IDS, NAMES, ids, role, store

from modelreg.findings import Severity
from modelreg.trust import decision
from modelreg.trust.decision import Distrust, Doubt, TrustDecision, decide
from modelreg.trust.roles import Revocation
from modelreg.trust.trust_store import Enforcement, TrustStore

STRANGER = "f" * 64
STORE = store(
    roles=(
        role("*", "ada"),
        role("team/**", "bob", "cyd", threshold=2),
        role("team/prod", "dan", until_index=100),
        role("team/prod", "eve", "fay", threshold=2, from_index=100),
    ),
    revocations=(
        Revocation(IDS["gil"], "left the team", from_index=50),
        Revocation(IDS["hal"], "laptop stolen", compromised=True),
    ),
)


def label(name: str) -> str:
    return f"{name} ({IDS[name][:12]})"


def asked(model: str, *names: str, at: int | None = 10, document: TrustStore = STORE, **more: Any) -> TrustDecision:
    return decide(document, model, (IDS.get(name, name) for name in names), at, **more)


@pytest.mark.parametrize(
    ("model", "names", "at", "pattern"),
    [
        ("fraud", ["ada"], 10, "*"),
        ("fraud", ["ada"], None, "*"),
        ("team/x", ["bob", "cyd"], 0, "team/**"),
        ("team/a/b", ["bob", "cyd"], 0, "team/**"),
        ("team/prod", ["dan"], 99, "team/prod"),
        ("team/prod", ["eve", "fay"], 100, "team/prod"),
        ("team/prod", ["eve", "fay"], None, "team/prod"),
    ],
)
def test_enough_of_the_right_keys_are_trusted(model: str, names: list[str], at: int | None, pattern: str) -> None:
    """Claim: the most specific role in force decides, its threshold of distinct keys is enough, and nothing is doubted."""
    found = asked(model, *names, *names, at=at)
    assert found.trusted
    assert found.role is not None
    assert found.role.pattern == pattern
    assert (found.good, found.doubts) == (tuple(sorted(ids(*names))), ())


def only(found: TrustDecision) -> Doubt:
    """The one doubt of a decision that does not trust."""
    assert not found.trusted
    (doubt,) = found.doubts
    return doubt


@pytest.mark.parametrize(
    ("found", "kind", "rule", "key", "message"),
    [
        (asked("fraud"), Distrust.MISSING, "MR201", None, "fraud has no signature; the role * asks for 1"),
        (
            asked("team/prod", at=None),
            Distrust.MISSING,
            "MR201",
            None,
            "team/prod has no signature; the role team/prod asks for 2",
        ),
        (
            asked("fraud", document=store()),
            Distrust.MISSING,
            "MR201",
            None,
            "fraud has no signature; no role of the trust store is about it",
        ),
        (
            asked("fraud", unverified=[IDS["ada"]]),
            Distrust.INVALID,
            "MR202",
            IDS["ada"],
            f"a signature on fraud names {label('ada')} and is not by that key: it, or what it signs, was changed",
        ),
        (
            asked("fraud", STRANGER),
            Distrust.FOREIGN,
            "MR203",
            STRANGER,
            "fraud is signed by the key ffffffffffff, which the trust store does not know",
        ),
        (
            asked("fraud", unverified=[STRANGER]),
            Distrust.FOREIGN,
            "MR203",
            STRANGER,
            "fraud is signed by the key ffffffffffff, which the trust store does not know",
        ),
        (
            asked("fraud", unverified=[""]),
            Distrust.FOREIGN,
            "MR203",
            "",
            "fraud is signed by a key that gives no id, which the trust store does not know",
        ),
        (
            asked("fraud", unverified=["\x1b[1m" + "x" * 99]),
            Distrust.FOREIGN,
            "MR203",
            "\x1b[1m" + "x" * 99,
            f"fraud is signed by a key that calls itself '\\x1b[1m{'x' * 36}', which the trust store does not know",
        ),
        (
            asked("fraud", "gil", at=50),
            Distrust.REVOKED,
            "MR204",
            IDS["gil"],
            f"fraud is signed by {label('gil')}, revoked from log index 50 on, and this version has 50: left the team",
        ),
        (
            asked("fraud", "gil", at=None),
            Distrust.REVOKED,
            "MR204",
            IDS["gil"],
            (
                f"fraud is signed by {label('gil')}, revoked from log index 50 on, and nothing proves that this version is "
                "older: left the team"
            ),
        ),
        (
            asked("fraud", "hal", at=0),
            Distrust.REVOKED,
            "MR204",
            IDS["hal"],
            f"fraud is signed by {label('hal')}, whose key is compromised: laptop stolen",
        ),
        (
            asked("fraud", "gil", at=49),
            Distrust.WRONG_PATTERN,
            "MR205",
            IDS["gil"],
            f"{label('gil')} may not sign fraud: the role * is that of {label('ada')}",
        ),
        (
            asked("team/x", "ada"),
            Distrust.WRONG_PATTERN,
            "MR205",
            IDS["ada"],
            f"{label('ada')} may not sign team/x: the role team/** is that of "
            + ", ".join(STORE.label(key) for key in sorted(ids("bob", "cyd"))),
        ),
        (
            asked("fraud", "ada", document=store()),
            Distrust.UNCOVERED,
            "MR205",
            IDS["ada"],
            f"fraud is signed by {label('ada')}, and no role of the trust store is about fraud",
        ),
        (
            asked("team/x", "cyd"),
            Distrust.TOO_FEW,
            "MR206",
            None,
            f"team/x needs 2 signatures under the role team/** and has 1: {label('cyd')}",
        ),
        (
            asked("team/prod", "dan", at=100),
            Distrust.OUTSIDE_WINDOW,
            "MR207",
            IDS["dan"],
            (
                f"{label('dan')} may sign team/prod under the role team/prod at the log indices 0 to 99, and this version "
                "has 100"
            ),
        ),
        (
            asked("team/prod", "dan", at=None),
            Distrust.OUTSIDE_WINDOW,
            "MR207",
            IDS["dan"],
            (
                f"{label('dan')} may sign team/prod under the role team/prod at the log indices 0 to 99, and this version "
                "has none, which counts as the newest"
            ),
        ),
        (
            asked("team/prod", "eve", at=99),
            Distrust.OUTSIDE_WINDOW,
            "MR207",
            IDS["eve"],
            (
                f"{label('eve')} may sign team/prod under the role team/prod at the log indices from 100 on, and this "
                "version has 99"
            ),
        ),
    ],
)
def test_each_thing_that_can_be_wrong_has_its_own_outcome(
    found: TrustDecision, kind: Distrust, rule: str, key: str | None, message: str
) -> None:
    """Claim: the outcome, its rule, the key that it is about, and the words, all of them refused under enforce."""
    doubt = only(found)
    assert (doubt.kind, doubt.kind.rule, doubt.key, doubt.message) == (kind, rule, key, message)
    assert doubt.severity is Severity.REFUSE
    assert doubt.fix


def test_every_outcome_has_a_rule() -> None:
    """Claim: none is without one, and the rules are those of the catalogue's family."""
    assert {kind.rule for kind in Distrust} == {f"MR20{number}" for number in range(1, 8)}


def test_what_is_missing_is_told_by_name() -> None:
    """Claim: too few signatures name who else could sign."""
    assert only(asked("team/x", "cyd")).fix == f"have more of the role's keys sign it: {label('bob')}"


def test_many_keys_are_not_all_named() -> None:
    """Claim: a role of many keys is told by five and a count."""
    document = store(roles=(role("*", *NAMES[:7], threshold=7),))
    assert only(asked("x", "hal", document=document)).message.endswith(" and 2 more")
    six = store(roles=(role("*", *NAMES[:6], threshold=6),))
    assert only(asked("x", "hal", document=six)).message.endswith(" and 1 more")
    five = store(roles=(role("*", *NAMES[:5], threshold=5),))
    assert "more" not in only(asked("x", "hal", document=five)).message


def test_between_two_windows_nobody_may_sign() -> None:
    """Claim: in a gap no key is good, and the wider role is not asked."""
    document = store(roles=(role("*", "ada"), role("x", "bob", until_index=5), role("x", "cyd", from_index=9)))
    assert only(asked("x", "bob", document=document, at=7)).kind is Distrust.OUTSIDE_WINDOW
    assert only(asked("x", "ada", document=document, at=7)).kind is Distrust.WRONG_PATTERN
    assert only(asked("x", "ada", document=document, at=7)).message.endswith(label("cyd"))
    assert only(asked("x", document=document, at=7)).message == (
        "x has no signature; no role of the trust store is in force for it"
    )
    assert asked("x", "ada", document=document, at=7).role is None


def test_who_may_sign_is_who_may_do_so_now() -> None:
    """Claim: a key of no role is told of the role in force at the version's place in the log, not of a later one."""
    document = store(roles=(role("x", "bob", until_index=5), role("x", "cyd", from_index=5)))
    assert only(asked("x", "ada", document=document, at=4)).message.endswith(label("bob"))
    assert only(asked("x", "ada", document=document, at=5)).message.endswith(label("cyd"))


def test_several_things_that_are_wrong_are_all_told() -> None:
    """Claim: each signature that does not count is told of, and then that what is left is too few."""
    found = asked("team/x", "bob", "ada", STRANGER, "hal", unverified=[IDS["cyd"], "!", IDS["bob"]])
    assert [(doubt.kind, doubt.key) for doubt in found.doubts] == [
        *sorted(
            [
                (Distrust.WRONG_PATTERN, IDS["ada"]),
                (Distrust.FOREIGN, STRANGER),
                (Distrust.REVOKED, IDS["hal"]),
            ],
            key=lambda item: item[1],
        ),
        (Distrust.INVALID, IDS["cyd"]),
        (Distrust.FOREIGN, "!"),
        (Distrust.TOO_FEW, None),
    ]
    assert found.good == ids("bob")


def test_what_a_signature_says_of_itself_never_counts() -> None:
    """Claim: ids that no signature proved make nothing good, however many there are, and few are told of."""
    found = asked("team/x", unverified=[*ids("bob", "cyd"), *(f"{number:04}" for number in range(99))])
    assert not found.trusted
    assert found.good == ()
    assert len(found.doubts) == decision.STRANGERS_NAMED_MAX
    assert [doubt.kind for doubt in found.doubts[:3]] == [Distrust.INVALID, Distrust.INVALID, Distrust.FOREIGN]


def severities(mode: Enforcement) -> dict[Distrust, Severity]:
    document = store(mode=mode, roles=STORE.roles, revocations=STORE.revocations)
    outcomes = (
        asked("team/x", document=document),
        asked("team/x", "ada", "bob", "hal", STRANGER, unverified=[IDS["cyd"]], document=document),
        asked("team/prod", "dan", at=None, document=document),
        asked("x", "ada", document=store(mode=mode)),
    )
    return {doubt.kind: doubt.severity for found in outcomes for doubt in found.doubts}


def test_the_mode_says_how_grave_it_is() -> None:
    """Claim: enforce refuses all, warn only forgery and revoked keys, off nothing."""
    assert severities(Enforcement.ENFORCE) == dict.fromkeys(Distrust, Severity.REFUSE)
    assert severities(Enforcement.OFF) == dict.fromkeys(Distrust, Severity.INFO)
    assert severities(Enforcement.WARN) == {
        **dict.fromkeys(Distrust, Severity.WARN),
        Distrust.INVALID: Severity.REFUSE,
        Distrust.REVOKED: Severity.REFUSE,
    }


def test_signatures_that_were_not_needed_are_told_of_and_do_no_harm() -> None:
    """Claim: of a trusted version foreign and revoked signatures are information; a forged one is refused."""
    found = asked("team/x", "bob", "cyd", "hal", "ada", STRANGER, unverified=[IDS["dan"]])
    assert found.trusted
    assert found.good == tuple(sorted(ids("bob", "cyd")))
    assert {doubt.kind: doubt.severity for doubt in found.doubts} == {
        Distrust.REVOKED: Severity.INFO,
        Distrust.WRONG_PATTERN: Severity.INFO,
        Distrust.FOREIGN: Severity.INFO,
        Distrust.INVALID: Severity.REFUSE,
    }


def test_a_revoked_key_is_good_for_what_it_signed_before() -> None:
    """Claim: revocation does not kill old releases, unless the key is compromised or the release has no index."""
    document = store(roles=(role("*", "gil", "hal"),), revocations=STORE.revocations)
    assert [asked("x", "gil", at=at, document=document).trusted for at in (49, 50, None)] == [True, False, False]
    assert not asked("x", "hal", at=0, document=document).trusted


def test_a_higher_threshold_does_not_kill_what_was_signed_under_the_lower() -> None:
    """Claim: a role's own window decides how many signatures an old release needs."""
    document = store(roles=(role("x", "ada", "bob", until_index=9), role("x", "ada", "bob", threshold=2, from_index=9)))
    assert [asked("x", "ada", at=at, document=document).trusted for at in (8, 9, None)] == [True, False, False]


@given(
    st.lists(st.sampled_from(NAMES), max_size=4),
    st.lists(st.sampled_from([*IDS.values(), STRANGER, "", "x"]), max_size=3),
    st.sampled_from(["fraud", "team/x", "team/prod", "team/prod/x"]),
    st.none() | st.integers(0, 120),
)
def test_a_decision_trusts_or_doubts(names: list[str], unverified: list[str], model: str, at: int | None) -> None:
    """Claim: total; not trusted means a doubt that refuses; more unverified ids never make anything trusted."""
    found = asked(model, *names, at=at, unverified=unverified)
    assert found.trusted == asked(model, *names, at=at).trusted
    assert found.trusted or any(doubt.severity is Severity.REFUSE for doubt in found.doubts)
    assert set(found.good) <= set(ids(*names))
    assert found.trusted == (found.role is not None and len(found.good) >= found.role.threshold)


def test_the_names_of_outcomes_and_modes_are_pinned() -> None:
    """Claim: they stand in documents and JSON output, and stay."""
    assert [kind.value for kind in Distrust] == [
        "missing",
        "invalid",
        "foreign",
        "revoked",
        "wrong-pattern",
        "uncovered",
        "too-few",
        "outside-window",
    ]
    assert [mode.value for mode in Enforcement] == ["off", "warn", "enforce"]
