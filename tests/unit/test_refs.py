"""References: what is written is what is parsed, and anything else is a UsageError with the grammar in its hint."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.errors import UsageError
from modelreg.refs import (
    ALIAS_LENGTH_MAX,
    NAME_LENGTH_MAX,
    VERSION_MAX,
    Reference,
    parse_alias,
    parse_name,
    parse_reference,
    propose_name,
)

PARTS = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
ALIASES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,40}", fullmatch=True).filter(lambda text: not text.isdigit())
DIGESTS = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
REFERENCES = st.one_of(
    st.builds(Reference, NAMES, st.none() | st.integers(1, VERSION_MAX), st.none(), st.none() | DIGESTS),
    st.builds(Reference, NAMES, st.none(), ALIASES, st.none() | DIGESTS),
)
NEAR = st.text(alphabet="ab09./:@-_sha256 A\n\u00e9\u0661", max_size=30) | st.text(max_size=20)


@given(REFERENCES)
def test_every_reference_is_parsed_back_from_its_text(reference: Reference) -> None:
    """Claim: parse_reference(str(r)) == r for every reference that can be formed."""
    assert parse_reference(str(reference)) == reference


@given(NEAR)
def test_random_text_is_a_reference_or_a_usage_error(text: str) -> None:
    """Claim: no text makes the parser raise anything else, and what it takes it writes back as the same reference."""
    try:
        reference = parse_reference(text)
    except UsageError:
        return
    assert parse_reference(str(reference)) == reference


@given(NEAR)
def test_random_text_is_a_name_or_a_usage_error(text: str) -> None:
    """Claim: names and aliases are taken as they are or refused, and a hint proposes a name that is one."""
    for parse in (parse_name, parse_alias):
        hint = None
        try:
            assert parse(text) == text
        except UsageError as error:
            hint = error.hint
        if hint and hint.startswith("--name "):
            assert parse_name(hint.removeprefix("--name "))


@given(st.text(max_size=200))
def test_a_proposed_name_is_a_name(text: str) -> None:
    """Claim: whatever it is made from, a proposal is a valid name, and a name proposes itself."""
    proposal = propose_name(text)
    assert proposal is None or parse_name(proposal) == proposal


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/a",
        "a/",
        "a//b",
        "-a",
        ".a",
        "A",
        "a b",
        "a\n",
        "a:0",
        "a:",
        "a:-1",
        "a:1.0",
        f"a:{VERSION_MAX + 1}",
        "a@",
        "a@7",
        "a@x/y",
        "a:1@production",
        "a@sha256:",
        "a@sha256:" + "A" * 64,
        "a@sha256:" + "0" * 63,
        "a@x@y",
        "a:1:2",
        "\u0661",
        "a:\u0661",
        "a" * (NAME_LENGTH_MAX + 1),
        "a@" + "x" * (ALIAS_LENGTH_MAX + 1),
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    """Claim: each near miss of the grammar is a UsageError that shows what was given."""
    with pytest.raises(UsageError) as caught:
        parse_reference(text)
    assert caught.value.code == "usage"


def test_the_longest_of_everything_is_taken() -> None:
    """Claim: the bounds are inclusive."""
    name, alias = "a" * NAME_LENGTH_MAX, "x" * ALIAS_LENGTH_MAX
    assert parse_reference(f"{name}:{VERSION_MAX}") == Reference(name, VERSION_MAX)
    assert parse_reference(f"{name}@{alias}@sha256:{'0' * 64}") == Reference(name, None, alias, "0" * 64)


def test_version_and_alias_together_are_refused_with_both_spellings() -> None:
    """Claim: the hint gives the two references that the user can have meant."""
    with pytest.raises(UsageError) as caught:
        parse_reference("fraud:3@production")
    assert caught.value.hint == "write fraud:3 or fraud@production"
