"""The trust store's document: invariants however it is made, one byte string each, and hostile bytes that only raise."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.trust.people import IDS, KEYS, LATER, NAMES, ids, role, store

from modelreg.digest import sha256_hex
from modelreg.errors import DocumentError
from modelreg.records import canonical_json
from modelreg.refs import VERSION_MAX
from modelreg.trust.roles import Revocation
from modelreg.trust.trust_store import (
    KEYS_MAX,
    NAME_LENGTH_MAX,
    REGISTRIES_MAX,
    REVOCATIONS_MAX,
    ROLES_MAX,
    SIZE_BYTES_MAX,
    TRUST_STORE_TYPE,
    WITNESSES_MAX,
    Enforcement,
    Roots,
    TrustedKey,
    TrustedRegistry,
    TrustStore,
    Witnesses,
    check_key_name,
    check_vkey,
)

VKEY = "example.com/log+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
FULL = store(
    version=7,
    roles=(role("team/*", "dan", "eve", threshold=2, from_index=4), role("team/*", "eve", until_index=4)),
    revocations=(Revocation(IDS["fay"], "left", from_index=9), Revocation(IDS["eve"], "stolen", compromised=True)),
    registries=(TrustedRegistry("b"), TrustedRegistry("a", VKEY)),
    witnesses=Witnesses((VKEY,), 1),
)
PEOPLE = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)
STORES = st.builds(
    store,
    version=st.integers(1, VERSION_MAX),
    mode=st.sampled_from(Enforcement),
    root=PEOPLE.map(lambda names: Roots(ids(*names), len(names))),
    roles=st.lists(
        st.tuples(st.sampled_from(["*", "a/*", "a/**", "a/b"]), PEOPLE, st.integers(0, 9)),
        max_size=3,
        unique_by=lambda drawn: drawn[0],
    ).map(lambda drawn: tuple(role(pattern, *names, from_index=start) for pattern, names, start in drawn)),
    registries=st.sampled_from([(), (TrustedRegistry("r"),), (TrustedRegistry("r", VKEY), TrustedRegistry("q"))]),
    witnesses=st.sampled_from([Witnesses(), Witnesses((VKEY,)), Witnesses((VKEY,), 1)]),
)


@given(STORES)
def test_a_document_is_parsed_back_from_its_bytes(document: TrustStore) -> None:
    """Claim: parse(s.to_bytes()) == s, and its bytes are the same again."""
    data = document.to_bytes()
    assert TrustStore.parse(data) == document
    assert TrustStore.parse(data).to_bytes() == data
    assert document.fingerprint == sha256_hex(data)


def test_every_part_of_a_document_survives() -> None:
    """Claim: so does one with everything in it; and its type is told in the bytes."""
    assert TrustStore.parse(FULL.to_bytes()) == FULL
    assert json.loads(FULL.to_bytes())["type"] == "urn:modelreg:trust-store:v1"


def test_a_document_does_not_depend_on_the_order_in_which_it_is_made() -> None:
    """Claim: every list is sorted, so that one content has one fingerprint."""
    again = store(
        version=7,
        root=Roots(ids("cyd", "ada", "bob"), 2),
        keys=FULL.keys[::-1],
        roles=FULL.roles[::-1],
        revocations=FULL.revocations[::-1],
        registries=FULL.registries[::-1],
        witnesses=FULL.witnesses,
    )
    assert again.to_bytes() == FULL.to_bytes()
    assert [item.id for item in FULL.registries] == ["a", "b"]
    assert [item.from_index for item in FULL.roles] == [0, 4]
    assert [key.id for key in FULL.keys] == sorted(IDS.values())
    assert [item.key for item in FULL.revocations] == sorted(ids("fay", "eve"))


def test_a_fingerprint_of_the_roots_is_about_keys_and_threshold_alone() -> None:
    """Claim: other versions with these roots have it, other keys or another threshold do not."""
    root = FULL.root
    assert store(version=1).root.fingerprint == root.fingerprint
    assert root.fingerprint == sha256_hex(canonical_json({"keys": [*sorted(ids("ada", "bob", "cyd"))], "threshold": 2}))
    assert Roots(root.keys, 3).fingerprint != root.fingerprint
    assert Roots(ids("ada", "bob"), 2).fingerprint != root.fingerprint


def many(count: int) -> tuple[str, ...]:
    return tuple(f"{number:064x}" for number in range(count))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 0}, "0 is not a version of a trust store"),
        ({"version": VERSION_MAX + 1}, "2147483648 is not a version of a trust store"),
        ({"expires_at": "2027-01-01"}, "'2027-01-01' is not a time"),
        ({"type": "urn:modelreg:trust-store:v2"}, "of type 'urn:modelreg:trust-store:v2'"),
        ({"keys": FULL.keys[:1]}, "the root names the key [0-9a-f]{12}, which the trust store does not hold"),
        ({"roles": (role("x", "ada"), role("x", "bob", from_index=3))}, "two roles x are in force at log index 3"),
        ({"keys": (*FULL.keys, FULL.keys[0])}, f"two keys of one id: {FULL.keys[0].id}"),
        (
            {"keys": (*FULL.keys[1:], TrustedKey.of(FULL.keys[1].name, KEYS[FULL.keys[0].name].public))},
            f"two keys of one name: {FULL.keys[1].name}",
        ),
        (
            {"revocations": (Revocation(IDS["eve"], "a", 1), Revocation(IDS["eve"], "b", 2))},
            f"two revocations of one key: {IDS['eve']}",
        ),
        ({"registries": (TrustedRegistry("r"), TrustedRegistry("r", VKEY))}, "two registries of one id: r"),
        ({"registries": tuple(TrustedRegistry(str(n)) for n in range(REGISTRIES_MAX + 1))}, "up to 100 registries"),
        ({"revocations": tuple(Revocation(key, "x", 1) for key in many(REVOCATIONS_MAX + 1))}, "up to 1,000 revoc"),
        ({"roles": tuple(role(f"m{n}", "ada") for n in range(ROLES_MAX + 1))}, "up to 1,000 roles, not 1,001"),
        ({"keys": FULL.keys * (KEYS_MAX // len(NAMES) + 1)}, "up to 1,000 keys, not 1,010"),
        (
            {"revocations": (Revocation(IDS["ada"], "stolen", compromised=True),)},
            rf"the root key ada \({IDS['ada'][:12]}\) is revoked",
        ),
    ],
)
def test_a_document_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    """Claim: each invariant is held, and the error names what breaks it."""
    with pytest.raises(DocumentError, match=message):
        store(**changes)


def test_a_role_may_only_name_keys_of_the_document() -> None:
    """Claim: a role for a key that is not there is refused by name; a revocation of one is not."""
    left = tuple(key for key in FULL.keys if key.name != "jon")
    message = f"the role x names the key {IDS['jon'][:12]}, which the trust store does not hold"
    with pytest.raises(DocumentError, match=message):
        store(keys=left, roles=(role("x", "dan", "jon"),))
    kept = store(keys=left, revocations=(Revocation(IDS["jon"], "left", 3),))
    assert kept.label(IDS["jon"]) == IDS["jon"][:12]


def test_the_bounds_themselves_are_allowed() -> None:
    """Claim: the largest lists, and the last version, can be."""
    made = store(
        version=VERSION_MAX,
        roles=tuple(role(f"m{n}", "ada") for n in range(ROLES_MAX)),
        revocations=tuple(Revocation(key, "x", 1) for key in many(REVOCATIONS_MAX)),
        registries=tuple(TrustedRegistry(str(n)) for n in range(REGISTRIES_MAX)),
    )
    assert TrustStore.parse(made.to_bytes()) == made


@pytest.mark.parametrize(
    "name", ["", " ada", "ada ", "a\nb", "a\x1b[1m", "x" * (NAME_LENGTH_MAX + 1), "e\u0301", "0" * 64, "\ud800"]
)
def test_what_is_no_key_name_is_refused(name: str) -> None:
    """Claim: a name can be shown, has one form, and is not taken for an id."""
    with pytest.raises(DocumentError, match="cannot be a key's name"):
        check_key_name(name)
    with pytest.raises(DocumentError, match="cannot be a key's name"):
        TrustedKey(IDS["ada"], name, KEYS["ada"].public.pem)


@pytest.mark.parametrize("name", ["x", "x" * NAME_LENGTH_MAX, "Ada Lovelace <ada@example.com>", "\u00e9", "0" * 63])
def test_a_key_name_is_what_people_write(name: str) -> None:
    """Claim: names, addresses and any script are taken."""
    check_key_name(name)


def test_a_key_name_is_brought_into_one_form() -> None:
    """Claim: TrustedKey.of takes a name in any normal form."""
    assert TrustedKey.of("e\u0301", KEYS["ada"].public).name == "\u00e9"


@pytest.mark.parametrize(
    ("key_id", "pem"),
    [
        (IDS["bob"], KEYS["ada"].public.pem),
        (IDS["ada"], KEYS["ada"].public.pem + "\n"),
        (IDS["ada"], "# a comment\n" + KEYS["ada"].public.pem),
        (IDS["ada"], "-----BEGIN PUBLIC KEY-----\n"),
        (IDS["ada"], "\ud800"),
        (IDS["ada"], KEYS["ada"].to_pem().decode()),
    ],
    ids=["another id", "a line more", "a comment", "no key", "no text", "a private key"],
)
def test_a_key_is_its_one_pem_text_under_its_own_id(key_id: str, pem: str) -> None:
    """Claim: nobody can give a key another key's id, or another text."""
    with pytest.raises(DocumentError):
        TrustedKey(key_id, "ada", pem)


def test_a_key_shows_its_name_and_the_beginning_of_its_id() -> None:
    """Claim: that is how people are told of keys."""
    assert store().label(IDS["ada"]) == f"ada ({IDS['ada'][:12]})"
    assert store().label("0" * 64) == "000000000000"


@pytest.mark.parametrize("text", ["", "a b", "a\n", "-a", "x" * 129, "\u00e9"])
def test_what_is_no_registry_is_refused(text: str) -> None:
    """Claim: a registry's id is one short word."""
    with pytest.raises(DocumentError, match="is not the id of a registry"):
        TrustedRegistry(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a+b",
        "a+0000000g+AAAA",
        "a+0000000+AAAA",
        "a b+00000000+AAAA",
        "+00000000+AAAA",
        VKEY + " ",
        "\u00e9+" + VKEY[16:],
    ],
)
def test_what_is_no_vkey_is_refused(text: str) -> None:
    """Claim: name, eight hex digits, base64, each where a key of a log or a witness may stand."""
    for make in (check_vkey, lambda text: TrustedRegistry("r", text), lambda text: Witnesses((text,), 1)):
        with pytest.raises(DocumentError, match="is not the key of a log or a witness"):
            make(text)


@pytest.mark.parametrize(
    ("keys", "quorum", "message"),
    [
        ((VKEY,), 2, "2 of 1 witnesses"),
        ((VKEY,), -1, "-1 of 1 witnesses"),
        ((VKEY, VKEY), 1, "2 witnesses are named"),
        (tuple(f"w{number}+00000000+AAAA" for number in range(WITNESSES_MAX + 1)), 1, "65 witnesses are named"),
    ],
)
def test_witnesses_that_cannot_be_are_refused(keys: tuple[str, ...], quorum: int, message: str) -> None:
    """Claim: distinct, not too many, and no more asked for than there are."""
    with pytest.raises(DocumentError, match=message):
        Witnesses(keys, quorum)


def test_as_many_witnesses_as_there_may_be() -> None:
    """Claim: the bound itself is allowed, all may be asked for, and they are kept sorted."""
    keys = tuple(sorted(f"w{number}+00000000+AAAA" for number in range(WITNESSES_MAX)))
    assert Witnesses(keys[::-1], WITNESSES_MAX).keys == keys


def test_keys_and_revocations_are_found_by_id() -> None:
    """Claim: each by its own id, nothing by another; the public halves verify."""
    found = FULL.key(IDS["dan"])
    assert found is not None
    assert (found.name, found.public) == ("dan", KEYS["dan"].public)
    assert FULL.key("0" * 64) is None
    assert FULL.revocation(IDS["fay"]) == Revocation(IDS["fay"], "left", from_index=9)
    assert FULL.revocation(IDS["ada"]) is None
    assert {key.id for key in FULL.public_keys()} == set(IDS.values())
    assert {key.id for key in FULL.public_keys([IDS["dan"], "0" * 64])} == {IDS["dan"]}
    assert FULL.public_keys([]) == ()


def test_a_document_says_which_registries_it_is_for() -> None:
    """Claim: those that it names, or every one if it names none."""
    assert [FULL.serves(name) for name in ("a", "b", "c")] == [True, True, False]
    assert store().serves("c")


DATA = FULL.to_bytes()


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    """The bytes of ``FULL`` with ``change`` done to its JSON."""
    value = json.loads(DATA)
    change(value)
    return canonical_json(value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the trust store is not valid JSON"),
        (b"[]", "of type 'None'"),
        (b"{}", "of type 'None'"),
        (changed(lambda value: value.update(type="urn:modelreg:trust-store:v2")), "'urn:modelreg:trust-store:v2'"),
        (changed(lambda value: value.update(type=1)), "of type '1'"),
        (changed(lambda value: value.pop("type")), "of type 'None'"),
        (changed(lambda value: value.update(forbids=["x"])), "says something that this modelreg does not understand"),
        (changed(lambda value: value["roles"][0].update(only_on="monday")), "does not understand"),
        (changed(lambda value: value["roles"].reverse()), "not in its one form"),
        (changed(lambda value: value.pop("witnesses")), "not in its one form"),
        (b" " + DATA, "not in its one form"),
        (json.dumps(json.loads(DATA)).encode(), "not in its one form"),
        (changed(lambda value: value.pop("mode")), "the key 'mode' is missing"),
        (changed(lambda value: value.update(mode="Enforce")), "'Enforce' stands where one of off, warn, enforce"),
        (changed(lambda value: value["roles"][0].update(threshold=True)), "True stands where an integer"),
        (b"{" + b" " * SIZE_BYTES_MAX + b"}", "at most 1,048,576 are read"),
    ],
)
def test_bytes_that_are_not_a_document_in_its_one_form_are_refused(data: bytes, message: str) -> None:
    """Claim: what is unknown or written otherwise is refused, since it could be what forbids."""
    with pytest.raises(DocumentError, match=message):
        TrustStore.parse(data)


def test_another_type_is_named_with_what_to_do() -> None:
    """Claim: a document of a later modelreg says that an upgrade is needed, by whatever it is noticed."""
    for data in (changed(lambda value: value.update(type=TRUST_STORE_TYPE + "1")), changed(lambda v: v.update(x=1))):
        with pytest.raises(DocumentError) as caught:
            TrustStore.parse(data)
        assert caught.value.hint == "upgrade modelreg"


@given(st.binary(max_size=80))
def test_random_bytes_only_raise(data: bytes) -> None:
    """Claim: nothing but DocumentError leaves the parser."""
    with pytest.raises(DocumentError):
        TrustStore.parse(data)


@given(st.integers(0, len(DATA) - 1), st.integers(0, 3), st.binary(max_size=3))
def test_a_mutated_document_is_another_or_raises(at: int, cut: int, put: bytes) -> None:
    """Claim: bytes that parse are exactly the bytes of what they parse to."""
    data = DATA[:at] + put + DATA[at + cut :]
    with contextlib.suppress(DocumentError):
        assert TrustStore.parse(data).to_bytes() == data


def test_the_example_document_expires_later() -> None:
    """Claim: the times of these tests are ordered as their names say."""
    assert FULL.expires_at == LATER
