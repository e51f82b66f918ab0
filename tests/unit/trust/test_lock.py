"""Lock files: what is in one, what is refused, and what counts as a difference."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.errors import DocumentError
from modelreg.trust import lock
from modelreg.trust.base64_text import to_base64
from modelreg.trust.checkpoint import Checkpoint
from modelreg.trust.keys import PrivateKey
from modelreg.trust.leaf import SIGNERS_MAX
from modelreg.trust.lock import LOCK_TYPE, Lock, LockedVersion
from modelreg.trust.note import NoteSigner

DIGEST = "5cd252fb0ce8932436faf8ccd1040981b89ee4ad6b9fe9e2a2b7e71aacb27cd3"
SIGNERS = tuple(f"{number:064x}" for number in range(SIGNERS_MAX + 1))
FRAUD = LockedVersion("team/fraud@production", 8, DIGEST, SIGNERS[:2], 41, SIGNERS[5])
LOCK = Lock("9b2f", {"team/fraud": FRAUD})
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)


def note() -> str:
    signer = NoteSigner("log", PrivateKey.generate("ed25519"))
    return to_base64(Checkpoint("log", 1, bytes(32)).sign(signer).to_bytes())


def test_a_lock_file_looks_like_this() -> None:
    """Claim: one value a line, in order, so that a review shows what changed."""
    assert LOCK.to_bytes().decode() == (
        "{\n"
        f'  "_type": "{LOCK_TYPE}",\n'
        '  "checkpoint": null,\n'
        '  "models": {\n'
        '    "team/fraud": {\n'
        f'      "digest": "{DIGEST}",\n'
        f'      "environment": "{SIGNERS[5]}",\n'
        '      "logIndex": 41,\n'
        '      "reference": "team/fraud@production",\n'
        '      "signed_by": [\n'
        f'        "{SIGNERS[0]}",\n'
        f'        "{SIGNERS[1]}"\n'
        "      ],\n"
        '      "version": 8\n'
        "    }\n"
        "  },\n"
        '  "registry": "9b2f"\n'
        "}\n"
    )


@given(
    st.dictionaries(st.from_regex(r"[a-z0-9]{1,8}(/[a-z0-9]{1,8})?", fullmatch=True), st.integers(1, 2**31 - 1)),
    DIGESTS,
    st.sets(DIGESTS, max_size=3),
)
def test_a_lock_file_survives_its_bytes(versions: dict[str, int], digest: str, signers: set[str]) -> None:
    """Claim: in any order and layout, as a merge by hand leaves it."""
    models = {
        name: LockedVersion(f"{name}:{number}", number, digest, tuple(sorted(signers)))
        for name, number in versions.items()
    }
    made = Lock("r", models)
    assert Lock.parse(made.to_bytes()) == made
    turned = json.dumps(dict(reversed(json.loads(made.to_bytes()).items()))).encode()
    assert Lock.parse(turned) == made


def test_a_checkpoint_is_kept_as_it_came() -> None:
    """Claim: the note's bytes survive, and what is no note is refused."""
    kept = dataclasses.replace(LOCK, checkpoint=note())
    parsed = Lock.parse(kept.to_bytes())
    found = parsed.note()
    assert found is not None
    assert to_base64(found.to_bytes()) == kept.checkpoint
    assert parsed.holding({}, None).checkpoint == kept.checkpoint
    assert LOCK.holding({}, found).checkpoint == kept.checkpoint
    assert LOCK.note() is None
    with pytest.raises(DocumentError):
        dataclasses.replace(LOCK, checkpoint="bm90ZQ==")


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 0},
        {"version": 2**31},
        {"digest": DIGEST.upper()},
        {"digest": DIGEST[:12]},
        {"environment": "python"},
        {"log_index": -1},
        {"log_index": 2**53 - 1},
        {"signed_by": SIGNERS},
        {"signed_by": (SIGNERS[1], SIGNERS[0])},
        {"signed_by": (SIGNERS[1], SIGNERS[1])},
        {"signed_by": ("ada",)},
    ],
)
def test_what_no_locked_version_says(changes: dict[str, Any]) -> None:
    """Claim: a value beyond its grammar is refused, whoever wrote it."""
    with pytest.raises(DocumentError):
        dataclasses.replace(FRAUD, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 1},
        {"version": 2**31 - 1},
        {"log_index": 0},
        {"log_index": 2**53 - 2},
        {"signed_by": ()},
        {"signed_by": SIGNERS[:SIGNERS_MAX]},
    ],
)
def test_the_bounds_themselves_can_be_locked(changes: dict[str, Any]) -> None:
    """Claim: the first entry of a log among them, and as many signers as an entry of a log has."""
    made = Lock("r" * 128, {"team/fraud": dataclasses.replace(FRAUD, **changes)})
    assert Lock.parse(made.to_bytes()) == made


def test_text_stays_text() -> None:
    """Claim: a review reads what stands there, not its numbers in Unicode."""
    assert b'"registry": "caf\xc3\xa9"' in Lock("caf\u00e9", {}).to_bytes()


def test_a_lock_file_holds_so_many_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: the bound itself can be, and one more is told with both numbers."""
    monkeypatch.setattr(lock, "MODELS_MAX", 1)
    assert dataclasses.replace(LOCK) == LOCK
    with pytest.raises(DocumentError, match="at most 1 models, this one 2"):
        LOCK.holding({"x": dataclasses.replace(FRAUD, reference="x:1")}, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"registry": ""},
        {"registry": "r" * 129},
        {"type": "urn:modelreg:lock:v2"},
        {"models": {"team/other": FRAUD}},
        {"models": {"Fraud": dataclasses.replace(FRAUD, reference="Fraud")}},
        {"models": {"team/fraud": dataclasses.replace(FRAUD, reference="team/fraud@")}},
    ],
)
def test_what_no_lock_file_says(changes: dict[str, Any]) -> None:
    """Claim: a reference stands under the model that it names, and a later form is not read as this one."""
    with pytest.raises(DocumentError):
        dataclasses.replace(LOCK, **changes)


@pytest.mark.parametrize("place", [(), ("models", "team/fraud")])
def test_an_unknown_key_is_refused(place: tuple[str, ...]) -> None:
    """Claim: what a later release demands is not passed over; nor is a key that somebody took out."""
    document = json.loads(LOCK.to_bytes())
    inner = document
    for key in place:
        inner = inner[key]
    inner["threshold"] = 2
    with pytest.raises(DocumentError, match="does not know"):
        Lock.parse(json.dumps(document).encode())
    document = json.loads(LOCK.to_bytes())
    del document["models"]["team/fraud"]["logIndex"]
    with pytest.raises(DocumentError, match="leaves out"):
        Lock.parse(json.dumps(document).encode())


@given(st.binary(max_size=200))
def test_hostile_bytes(data: bytes) -> None:
    """Claim: only typed errors."""
    with pytest.raises(DocumentError):
        Lock.parse(data)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, None),
        ({"reference": "team/fraud"}, None),
        ({"signed_by": SIGNERS[:3]}, None),
        ({"version": 7}, "version 8 .* is locked and version 7 "),
        ({"digest": SIGNERS[4]}, "5cd252fb0ce8.*000000000000"),
        ({"signed_by": SIGNERS[1:2]}, "signed by 000000000000 when"),
        ({"log_index": 42}, "was entry 41 of the log and now is entry 42"),
        ({"log_index": None}, "now has no proved place"),
        ({"environment": None}, "environment"),
    ],
)
def test_what_counts_as_a_difference(changes: dict[str, Any], told: str | None) -> None:
    """Claim: another version, a signer less, another place in the log; a signer more is none."""
    found = list(FRAUD.differences(dataclasses.replace(FRAUD, **changes)))
    if told is None:
        assert found == []
    else:
        (difference,) = found
        assert re.search(told, difference), difference


def test_a_place_that_was_not_proved_then_may_be_proved_now() -> None:
    """Claim: a lock file of before the log demands nothing of the log."""
    before = dataclasses.replace(FRAUD, log_index=None)
    assert list(before.differences(FRAUD)) == []
