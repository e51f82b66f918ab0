"""Editing a trust store: each operation is one version on, says what cannot be, and never lets an old release down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.trust.people import EARLIER, IDS, KEYS, LATER, NAMES, NOW, ids, role, signed, store

from modelreg.errors import TrustThresholdError, UsageError
from modelreg.refs import VERSION_MAX
from modelreg.trust.acceptance import accept, accept_pinned
from modelreg.trust.decision import decide
from modelreg.trust.editing import (
    add_key,
    amend,
    init,
    remove_key,
    remove_role,
    renumbered,
    revoke,
    rotate_roots,
    set_role,
)
from modelreg.trust.keys import PublicKey
from modelreg.trust.roles import Revocation
from modelreg.trust.trust_store import Enforcement, Roots, TrustedKey, TrustedRegistry, TrustStore, Witnesses

VKEY = "example.com/log+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def people(*names: str) -> dict[str, PublicKey]:
    return {name: KEYS[name].public for name in names}


FIRST = init(people("ada", "bob", "cyd"), 2, LATER)


def test_a_first_document_has_its_roots_and_lets_nobody_sign() -> None:
    """Claim: init gives version 1 with the named roots, warns, and holds no role."""
    keys = tuple(TrustedKey.of(name, KEYS[name].public) for name in ("ada", "bob", "cyd"))
    assert TrustStore(1, LATER, Enforcement.WARN, Roots(ids("ada", "bob", "cyd"), 2), keys) == FIRST
    assert accept_pinned(signed(FIRST, "ada", "bob"), FIRST.root.fingerprint, NOW) == FIRST
    full = init(people("ada"), 1, LATER, mode=Enforcement.ENFORCE, registries=[TrustedRegistry("r")])
    assert (full.mode, full.registries) == (Enforcement.ENFORCE, (TrustedRegistry("r"),))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: init({}, 1, LATER), "names 0 keys"),
        (lambda: init(people("ada"), 2, LATER), "asks for 2 signatures by 1 keys"),
        (lambda: init(people("ada"), 1, "tomorrow"), "'tomorrow' is not a time"),
        (lambda: init({" ": KEYS["ada"].public}, 1, LATER), "' ' cannot be a key's name"),
        (lambda: init({"a": KEYS["ada"].public, "b": KEYS["ada"].public}, 1, LATER), "names a key twice"),
    ],
)
def test_a_first_document_that_cannot_be_is_a_usage_error(make: Callable[[], TrustStore], message: str) -> None:
    """Claim: what was asked for is at fault, and named."""
    with pytest.raises(UsageError, match=message):
        make()


def test_a_key_is_added_and_may_sign_nothing_yet() -> None:
    """Claim: add_key adds exactly that."""
    added = add_key(FIRST, "dan", KEYS["dan"].public)
    dan = TrustedKey.of("dan", KEYS["dan"].public)
    assert added == replace(FIRST, version=2, keys=(*FIRST.keys, dan))
    assert not decide(added, "x", ids("dan"), 0).trusted


def test_a_key_that_is_there_or_revoked_is_not_added() -> None:
    """Claim: one key has one name; a revoked key cannot come back by being removed first."""
    with pytest.raises(UsageError, match=r"has this key already, as ada \("):
        add_key(FIRST, "other", KEYS["ada"].public)
    with pytest.raises(UsageError, match="two keys of one name: ada"):
        add_key(FIRST, "ada", KEYS["dan"].public)
    gone = remove_key(revoke(store(), IDS["eve"], "left", from_index=3), IDS["eve"])
    with pytest.raises(UsageError, match=f"the key {IDS['eve'][:12]} is revoked and cannot come back: left") as caught:
        add_key(gone, "eve", KEYS["eve"].public)
    assert caught.value.hint == "make a new key: modelreg key generate"


def test_a_removed_key_leaves_its_roles_and_keeps_its_revocation() -> None:
    """Claim: remove_key takes the key out of everything but the revocations."""
    before = store(
        roles=(role("x", "dan", "eve"), role("y", "dan"), role("z", "dan", "eve", from_index=3)),
        revocations=(Revocation(IDS["eve"], "left", 3),),
    )
    after = remove_key(before, IDS["eve"])
    assert after == replace(
        before,
        version=2,
        keys=tuple(key for key in before.keys if key.name != "eve"),
        roles=(role("x", "dan"), role("y", "dan"), role("z", "dan", from_index=3)),
    )
    assert not decide(after, "x", ids("eve"), 0).trusted


def test_a_key_that_is_needed_is_not_removed() -> None:
    """Claim: a root key, one without which a role cannot be met, and one that is not there are refused by name."""
    with pytest.raises(UsageError, match=r"ada \([0-9a-f]{12}\) is a root key") as caught:
        remove_key(store(), IDS["ada"])
    assert "rotate" in (caught.value.hint or "")
    for roles, left in (((role("x", "eve"),), 0), ((role("x", "dan", "eve", threshold=2),), 1)):
        message = rf"without eve \([0-9a-f]+\) the role x has {left} keys and asks for {left + 1} signatures"
        with pytest.raises(UsageError, match=message):
            remove_key(store(roles=roles), IDS["eve"])
    with pytest.raises(UsageError, match="has no key 'eve'") as unknown:
        remove_key(store(), "eve")
    assert unknown.value.hint == "modelreg trust show"


def test_a_revocation_is_added() -> None:
    """Claim: revoke adds exactly the revocation; root keys are rotated out first."""
    assert revoke(store(), IDS["eve"], "left", from_index=3) == store(
        version=2, revocations=(Revocation(IDS["eve"], "left", from_index=3),)
    )
    assert revoke(store(), IDS["eve"], "stolen", compromised=True).revocations == (
        Revocation(IDS["eve"], "stolen", compromised=True),
    )
    with pytest.raises(UsageError, match=r"ada \([0-9a-f]{12}\) is a root key") as caught:
        revoke(store(), IDS["ada"], "stolen", compromised=True)
    assert "rotate" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="needs one of two"):
        revoke(store(), IDS["eve"], "why")
    with pytest.raises(UsageError, match="has no key"):
        revoke(store(), "0" * 64, "why", compromised=True)


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [(5, 4, True), (5, 5, False), (5, 6, False), (5, None, True), (None, 0, False), (None, None, False)],
)
def test_a_revocation_only_becomes_stricter(before: int | None, after: int | None, *, allowed: bool) -> None:
    """Claim: an earlier index or a compromise replaces it (``None`` here), anything else is refused."""
    held = revoke(store(), IDS["fay"], "left", from_index=1)
    held = revoke(held, IDS["eve"], "first", from_index=before, compromised=before is None)
    if allowed:
        found = revoke(held, IDS["eve"], "second", from_index=after, compromised=after is None)
        assert found.revocation(IDS["eve"]) == Revocation(IDS["eve"], "second", after, after is None)
        assert found.revocation(IDS["fay"]) == Revocation(IDS["fay"], "left", 1)
    else:
        with pytest.raises(UsageError, match=r"eve \([0-9a-f]{12}\) is revoked already: first"):
            revoke(held, IDS["eve"], "second", from_index=after, compromised=after is None)


def test_roots_are_rotated_under_both_thresholds() -> None:
    """Claim: keys that go leave the document unless a role names them, and old and new roots must sign."""
    before = set_role(FIRST, "x", ids("cyd"))
    after = rotate_roots(before, people("ada", "dan", "eve"), 2)
    assert after.root == Roots(ids("ada", "dan", "eve"), 2)
    assert {key.name for key in after.keys} == {"ada", "cyd", "dan", "eve"}
    assert after.version == before.version + 1
    for signers in (("ada", "bob"), ("dan", "eve"), ("ada", "dan")):
        with pytest.raises(TrustThresholdError):
            accept(before, signed(after, *signers), NOW)
    assert accept(before, signed(after, "ada", "cyd", "eve"), NOW) == after


def test_a_key_without_a_role_outlives_a_rotation() -> None:
    """Claim: only what was a root is dropped."""
    before = add_key(FIRST, "jon", KEYS["jon"].public)
    assert "jon" in {key.name for key in rotate_roots(before, people("ada"), 1).keys}


def test_a_root_that_stays_keeps_its_name() -> None:
    """Claim: a key has the name under which it was trusted first."""
    after = rotate_roots(FIRST, {"ADA": KEYS["ada"].public, "dan": KEYS["dan"].public}, 1)
    assert {key.name for key in after.keys} == {"ada", "dan"}


@pytest.mark.parametrize(
    ("names", "threshold", "message"),
    [
        (["ada", "bob", "cyd"], 2, "these are the roots already"),
        (["ada", "bob"], 3, "asks for 3 signatures by 2 keys"),
        ([], 1, "names 0 keys"),
    ],
)
def test_a_rotation_that_cannot_be_is_refused(names: list[str], threshold: int, message: str) -> None:
    """Claim: the same roots, or a threshold that cannot be met."""
    with pytest.raises(UsageError, match=message):
        rotate_roots(FIRST, people(*names), threshold)
    assert rotate_roots(FIRST, people("ada", "bob", "cyd"), 3).root.threshold == 3


def test_a_revoked_key_cannot_become_a_root() -> None:
    """Claim: nobody makes a revoked key count again by rotating it in."""
    before = revoke(store(), IDS["eve"], "left", from_index=3)
    with pytest.raises(UsageError, match=r"the root key eve \([0-9a-f]{12}\) is revoked"):
        rotate_roots(before, people("ada", "eve"), 1)


def test_a_role_is_set_from_the_beginning() -> None:
    """Claim: from index 0 a role replaces all of its pattern's, and leaves other patterns alone."""
    before = store(roles=(role("*", "ada"), role("x", "dan", until_index=4), role("x", "eve", from_index=4)))
    assert set_role(before, "x", ids("fay", "gil"), 2) == replace(
        before, version=2, roles=(role("*", "ada"), role("x", "fay", "gil", threshold=2))
    )


@pytest.mark.parametrize(
    ("at", "windows"),
    [
        (9, [("dan", 0, 4), ("eve", 6, 9), ("fay", 9, None)]),
        (7, [("dan", 0, 4), ("eve", 6, 7), ("fay", 7, None)]),
        (6, [("dan", 0, 4), ("fay", 6, None)]),
        (5, [("dan", 0, 4), ("fay", 5, None)]),
        (3, [("dan", 0, 3), ("fay", 3, None)]),
    ],
)
def test_a_role_that_is_set_from_an_index_on_leaves_the_past(
    at: int, windows: list[tuple[str, int, int | None]]
) -> None:
    """Claim: windows before are kept and cut, those behind are replaced."""
    before = store(roles=(role("x", "dan", until_index=4), role("x", "eve", from_index=6)))
    assert set_role(before, "x", ids("fay"), from_index=at).roles == tuple(
        role("x", name, from_index=start, until_index=end) for name, start, end in windows
    )


def test_a_new_pattern_inherits_the_past_of_the_wider_one() -> None:
    """Claim: the narrowest pattern that covers the new one gives its past; none gives none."""
    before = store(
        roles=(role("*", "ada"), role("team/**", "bob", from_index=2), role("team/y", "cyd"), role("other/**", "dan"))
    )
    after = set_role(before, "team/*", ids("eve"), from_index=7)
    assert [item for item in after.roles if item.pattern == "team/*"] == [
        role("team/*", "bob", from_index=2, until_index=7),
        role("team/*", "eve", from_index=7),
    ]
    assert len(after.roles) == len(before.roles) + 2
    assert [decide(after, "team/x", ids("bob"), at).trusted for at in (1, 2, 6, 7)] == [False, True, True, False]
    assert set_role(store(), "team/*", ids("eve"), from_index=7).roles == (role("team/*", "eve", from_index=7),)


@given(
    st.lists(
        st.tuples(st.sampled_from(["*", "a/**", "a/*", "a/b"]), st.sampled_from(NAMES), st.integers(0, 12)), max_size=5
    ),
    st.sampled_from(["*", "a/**", "a/*", "a/b"]),
    st.sampled_from(["a", "a/b", "a/c", "a/b/c", "z"]),
    st.integers(1, 12),
    st.sampled_from(NAMES),
)
def test_what_was_signed_before_is_as_good_as_it_was(
    edits: list[tuple[str, str, int]], pattern: str, model: str, at: int, name: str
) -> None:
    """Claim: whatever roles there are, a role that is set from an index on changes no decision about the log before it."""
    document = store()
    for edited, who, start in edits:
        document = set_role(document, edited, ids(who), from_index=start)
    after = set_role(document, pattern, ids("ada"), from_index=at)
    for index in range(at):
        assert decide(after, model, ids(name), index).trusted == decide(document, model, ids(name), index).trusted


@pytest.mark.parametrize(
    ("pattern", "keys", "changes", "message"),
    [
        ("**", ids("dan"), {}, r"'\*\*' is not a pattern"),
        ("x", ("0" * 64,), {}, "has no key '000"),
        ("x", (), {}, "names 0 keys"),
        ("x", ids("dan"), {"threshold": 2}, "asks for 2 signatures"),
        ("x", ids("dan"), {"from_index": -1}, "from log index -1"),
    ],
)
def test_a_role_that_cannot_be_is_a_usage_error(
    pattern: str, keys: tuple[str, ...], changes: dict[str, int], message: str
) -> None:
    """Claim: what was asked for is at fault, and named."""
    with pytest.raises(UsageError, match=message):
        set_role(store(), pattern, keys, **changes)


def test_a_role_is_removed_with_all_its_windows() -> None:
    """Claim: the pattern is gone, the others stay; one that is not there is refused."""
    before = store(roles=(role("*", "ada"), role("x", "dan", until_index=4), role("x", "eve", from_index=4)))
    assert remove_role(before, "x") == replace(before, version=2, roles=(role("*", "ada"),))
    with pytest.raises(UsageError, match="has no role 'y'"):
        remove_role(before, "y")


def test_what_is_given_is_amended() -> None:
    """Claim: each part alone, and nothing else but the version."""
    document = store(registries=(TrustedRegistry("r"),), witnesses=Witnesses((VKEY,), 1))
    assert amend(document) == replace(document, version=2)
    assert amend(document, expires_at=EARLIER) == replace(document, version=2, expires_at=EARLIER)
    assert amend(document, mode=Enforcement.OFF) == replace(document, version=2, mode=Enforcement.OFF)
    assert amend(document, registries=[]) == replace(document, version=2, registries=())
    assert amend(document, witnesses=Witnesses()) == replace(document, version=2, witnesses=Witnesses())
    with pytest.raises(UsageError, match="is not a time"):
        amend(document, expires_at="")


def test_several_operations_make_one_version() -> None:
    """Claim: renumbered gives the version that follows, so that a rotation and a role can be signed together."""
    edited = set_role(rotate_roots(add_key(FIRST, "dan", KEYS["dan"].public), people("ada", "eve"), 1), "x", ids("dan"))
    assert (edited.version, renumbered(edited, FIRST).version) == (4, 2)
    assert accept(FIRST, signed(renumbered(edited, FIRST), "ada", "bob"), NOW) == replace(edited, version=2)


def test_the_last_version_has_no_next() -> None:
    """Claim: the end of the versions is a usage error, not an overflow."""
    with pytest.raises(UsageError, match=f"{VERSION_MAX + 1} is not a version"):
        amend(store(version=VERSION_MAX))
