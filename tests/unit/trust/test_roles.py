"""Roles: one pattern governs each name, whatever the order, and a window says which role and which revocation holds."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.trust.people import ids, role

from modelreg.errors import DocumentError, UsageError
from modelreg.trust.roles import (
    LOG_INDEX_MAX,
    REASON_LENGTH_MAX,
    ROLE_KEYS_MAX,
    Pattern,
    Reach,
    Revocation,
    Role,
    check_windows,
    checked_reason,
    governing,
    parse_pattern,
    role_at,
)

PARTS = st.lists(st.sampled_from(["a", "b", "c-1"]), min_size=1, max_size=3)
MODELS = PARTS.map("/".join)
PATTERNS = st.one_of(st.just("*"), MODELS, MODELS.map(lambda name: name + "/*"), MODELS.map(lambda name: name + "/**"))
EVERY_MODEL = ["/".join(parts) for depth in range(1, 5) for parts in itertools.product("ab", repeat=depth)]
EVERY_PATTERN = ["*", *(name + end for name in EVERY_MODEL if name.count("/") < 3 for end in ("", "/*", "/**"))]


@pytest.mark.parametrize(
    ("pattern", "matched", "unmatched"),
    [
        ("*", ["x", "team/x", "team/sub/x"], []),
        ("team/**", ["team/x", "team/sub/x"], ["team", "x", "teams/x", "other/team/x"]),
        ("team/*", ["team/x"], ["team", "team/sub/x", "x", "teams/x"]),
        ("team/x", ["team/x"], ["team", "team/x/y", "team/xy", "x"]),
        ("a/b/*", ["a/b/c"], ["a/c/c", "a/b", "b/a/c"]),
    ],
)
def test_a_pattern_matches_what_it_says(pattern: str, matched: list[str], unmatched: list[str]) -> None:
    """Claim: * is everything, ** everything below, /* what is directly below, a name itself."""
    parsed = parse_pattern(pattern)
    assert [model for model in matched + unmatched if parsed.matches(model)] == matched
    assert str(parsed) == pattern


@pytest.mark.parametrize(
    "text",
    ["", "**", "/*", "/**", "a*", "*/a", "a/*/b", "a/**/b", "a/***", "A", "a//*", "a/", "/a", "a/*/*", "x" * 129],
)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    """Claim: a star stands only alone or as the last part, and all else is a model's name."""
    with pytest.raises(UsageError, match="is not a pattern of model names") as caught:
        parse_pattern(text)
    assert "team/**" in (caught.value.hint or "")
    with pytest.raises(DocumentError, match="is not a pattern of model names") as refused:
        role(text, "ada")
    assert refused.value.hint == caught.value.hint


@given(PATTERNS)
def test_a_pattern_is_parsed_back_from_its_text(text: str) -> None:
    """Claim: str(parse_pattern(text)) == text."""
    assert str(parse_pattern(text)) == text


@pytest.mark.parametrize(
    "order", [("a/b/c", "a/b/*", "a/b/**", "a/**", "*")], ids=["exact, children, below, further up, all"]
)
def test_the_order_of_patterns_is_the_one_that_is_told(order: tuple[str, ...]) -> None:
    """Claim: all these match a/b/c, and each governs it before those behind it."""
    for first, *rest in (order[start:] for start in range(len(order))):
        roles = [role(pattern, "ada") for pattern in (*rest, first)]
        assert [found.pattern for found in governing(roles, "a/b/c")] == [first]


def test_two_patterns_that_match_one_name_are_never_equally_specific() -> None:
    """Claim: the order is total where it matters: over every pair of small patterns and every small name."""
    clashes = 0
    for one, other in itertools.combinations(map(parse_pattern, EVERY_PATTERN), 2):
        if one.specificity == other.specificity:
            clashes += 1
            assert not any(one.matches(model) and other.matches(model) for model in EVERY_MODEL)
    assert clashes > 100


@given(st.lists(PATTERNS, max_size=6, unique=True), MODELS, st.randoms(use_true_random=False))
def test_what_governs_is_total_deterministic_and_does_not_depend_on_the_order(
    patterns: list[str], model: str, random: Random
) -> None:
    """Claim: if any pattern matches, exactly one governs; it matches; and shuffling the roles changes nothing."""
    roles = [role(pattern, "ada") for pattern in patterns]
    found = governing(roles, model)
    random.shuffle(roles)
    assert governing(roles, model) == found
    matching = [pattern for pattern in patterns if parse_pattern(pattern).matches(model)]
    assert len(found) == bool(matching)
    assert {item.pattern for item in found} <= set(matching)


def test_covering_is_matching_all_that_the_other_matches() -> None:
    """Claim: covers() is inclusion of the sets of names, for every pair of patterns of up to two parts."""
    matched = {
        pattern: {model for model in EVERY_MODEL if pattern.matches(model)}
        for pattern in map(parse_pattern, EVERY_PATTERN)
        if len(pattern.parts) <= 2
    }
    for one, other in itertools.product(matched, repeat=2):
        assert one.covers(other) == (matched[one] >= matched[other]), (str(one), str(other))


def test_a_narrower_pattern_ends_the_search_though_it_grants_nothing_there() -> None:
    """Claim: no fallback to a wider pattern, also where the narrower one's roles are not in force."""
    roles = [role("*", "ada"), role("team/*", "bob", from_index=5, until_index=9)]
    assert [found.pattern for found in governing(roles, "team/x")] == ["team/*"]
    assert role_at(governing(roles, "team/x"), 4) is None
    assert governing(roles, "x") == (roles[0],)
    assert governing(roles[1:], "x") == ()


def test_the_windows_of_a_pattern_say_which_role_is_in_force() -> None:
    """Claim: windows are half open; without an index only one without an end holds."""
    first, second = role("x", "ada", until_index=5), role("x", "bob", from_index=5)
    roles = governing([second, first], "x")
    assert roles == (first, second)
    assert [role_at(roles, index) for index in (0, 4, 5, 10**6, None)] == [first, first, second, second, second]
    assert role_at((first,), None) is None
    assert role_at((first,), 5) is None
    assert role_at((second,), 4) is None


@pytest.mark.parametrize(
    ("windows", "clash"),
    [
        ([(0, 5), (5, None)], None),
        ([(0, 5), (7, 9)], None),
        ([(0, 5), (4, None)], 4),
        ([(0, None), (5, None)], 5),
        ([(0, 9), (0, 3)], 0),
        ([(3, None), (0, 3)], None),
    ],
)
def test_two_roles_of_one_pattern_are_never_in_force_together(
    windows: list[tuple[int, int | None]], clash: int | None
) -> None:
    """Claim: overlapping windows of one pattern are refused, adjoining ones and those of two patterns are not."""
    roles = [role("x", "ada", from_index=start, until_index=end) for start, end in windows]
    check_windows([roles[0], *(role("y", "ada", from_index=start, until_index=end) for start, end in windows[1:])])
    if clash is None:
        check_windows(roles)
    else:
        with pytest.raises(DocumentError, match=f"two roles x are in force at log index {clash}"):
            check_windows(roles)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threshold": 0}, "asks for 0 signatures by 2 keys"),
        ({"threshold": 3}, "asks for 3 signatures by 2 keys"),
        ({"keys": ()}, "names 0 keys"),
        ({"keys": (ids("ada")[0],) * 2}, "names a key twice"),
        ({"keys": ("ada",)}, "'ada', which is not the id of a key"),
        ({"keys": tuple(f"{number:064x}" for number in range(ROLE_KEYS_MAX + 1))}, f"names {ROLE_KEYS_MAX + 1} keys"),
        ({"from_index": -1}, "from log index -1 until None"),
        ({"until_index": 0}, "from log index 0 until 0"),
        ({"from_index": 5, "until_index": 5}, "from log index 5 until 5"),
        ({"until_index": LOG_INDEX_MAX + 1}, "until 9007199254740992"),
        ({"from_index": LOG_INDEX_MAX}, "from log index 9007199254740991"),
    ],
)
def test_a_role_that_cannot_be_is_refused(changes: dict[str, object], message: str) -> None:
    """Claim: thresholds from 1 to the number of distinct keys, ids that are ids, windows that hold something."""
    given: dict[str, object] = {"pattern": "x", "keys": ids("ada", "bob"), **changes}
    with pytest.raises(DocumentError, match="the role x .*" + message.replace("(", r"\(")):
        Role(**given)  # type: ignore[arg-type]


def test_the_largest_role_can_be() -> None:
    """Claim: the bounds themselves are allowed, and keys are kept sorted."""
    keys = tuple(f"{number:064x}" for number in range(ROLE_KEYS_MAX))
    made = Role("x", keys[::-1], ROLE_KEYS_MAX, LOG_INDEX_MAX - 1, LOG_INDEX_MAX)
    assert made.keys == keys


@pytest.mark.parametrize(
    ("revocation", "applies"),
    [
        (Revocation(ids("eve")[0], "left", from_index=5), {0: False, 4: False, 5: True, 6: True, None: True}),
        (Revocation(ids("eve")[0], "left", from_index=0), {0: True, 1: True, None: True}),
        (Revocation(ids("eve")[0], "stolen", compromised=True), {0: True, 5: True, None: True}),
    ],
    ids=["from an index on", "from the first on", "compromised"],
)
def test_a_revocation_spares_what_was_signed_before_unless_compromised(
    revocation: Revocation, applies: dict[int | None, bool]
) -> None:
    """Claim: the time semantics; without a log index a revoked key is refused."""
    assert {index: revocation.applies(index) for index in applies} == applies


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "needs one of two"),
        ({"from_index": 3, "compromised": True}, "needs one of two"),
        ({"from_index": -1}, "from log index -1"),
        ({"from_index": LOG_INDEX_MAX + 1}, "from log index 9007199254740992"),
        ({"key": "eve", "compromised": True}, "'eve' is revoked, which is not the id"),
        ({"reason": " ", "compromised": True}, "gives ' ' as its reason"),
    ],
)
def test_a_revocation_that_cannot_be_is_refused(changes: dict[str, object], message: str) -> None:
    """Claim: a key, a reason, and either an index or that it is compromised."""
    with pytest.raises(DocumentError, match=message):
        Revocation(**{"key": ids("eve")[0], "reason": "left", **changes})  # type: ignore[arg-type]


def test_a_revocation_at_the_last_index_can_be() -> None:
    """Claim: the bound itself is allowed."""
    assert Revocation(ids("eve")[0], "left", from_index=LOG_INDEX_MAX).applies(LOG_INDEX_MAX)


@pytest.mark.parametrize("text", ["", "  \n", "a\x1b[31m", "a\0", "\x7f", "\ud800", "x" * (REASON_LENGTH_MAX + 1)])
def test_what_is_no_reason_is_refused(text: str) -> None:
    """Claim: empty, endless, and what could steer a terminal."""
    with pytest.raises(DocumentError, match="the thing gives"):
        checked_reason(text, "the thing")


@pytest.mark.parametrize("text", ["x", "x" * REASON_LENGTH_MAX, "two\nlines\tof text", "caf\u00e9 \U0001f44d"])
def test_a_reason_is_any_text(text: str) -> None:
    """Claim: line breaks, tabs and any script are text."""
    assert checked_reason(text, "it") == text


def test_a_reason_is_brought_into_one_form() -> None:
    """Claim: what is signed is in NFC."""
    assert checked_reason("cafe\u0301", "it") == "caf\u00e9"
    assert Revocation(ids("eve")[0], "cafe\u0301", compromised=True).reason == "caf\u00e9"


def test_reaches_are_ordered_from_wide_to_narrow() -> None:
    """Claim: of two patterns with one prefix the narrower is more specific."""
    found = [Pattern(("a",), reach).specificity for reach in (Reach.BELOW, Reach.CHILDREN, Reach.EXACT)]
    assert found == sorted(set(found))
    assert Pattern(("a", "b"), Reach.BELOW).specificity > Pattern(("a",), Reach.EXACT).specificity
