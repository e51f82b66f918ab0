"""The trust store that settings name, held against the copy that was accepted before: which of the two holds then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.trust.people import EARLIER, LATER, NOW, ids, signed, store

from modelreg import load_settings
from modelreg.client.anchor import Anchor, anchor_at, load_anchor, remembered_path
from modelreg.findings import Severity
from modelreg.trust.trust_store import Enforcement, Roots, TrustStore

FIRST = store()
SECOND = replace(FIRST, version=2)


def asked(tmp_path: Path, document: TrustStore, *signers: str, now: str = NOW) -> Anchor:
    """The trust store ``document`` in a file, as the settings of somebody with that copy name it."""
    path = tmp_path / "named.json"
    path.write_bytes(signed(document, *(signers or ("ada", "bob"))))
    return anchor_at(path, tmp_path / "copy.json", now)


def problem(anchor: Anchor) -> tuple[str, Severity]:
    assert anchor.problem is not None
    assert anchor.problem.rule == "MR209"
    return anchor.problem.message, anchor.problem.severity


def test_the_first_is_taken_as_it_is_if_its_own_roots_have_signed_it(tmp_path: Path) -> None:
    """Claim: it is copied to the byte; one that too few have signed, or that has expired, is nothing, and not copied."""
    for document, signers in ((FIRST, ("ada", "eve")), (replace(FIRST, expires_at=EARLIER), ())):
        anchor = asked(tmp_path, document, *signers)
        assert anchor.store is None
        assert problem(anchor)[1] is Severity.REFUSE
        assert not (tmp_path / "copy.json").exists()
    assert asked(tmp_path, FIRST) == Anchor(FIRST)
    assert (tmp_path / "copy.json").read_bytes() == signed(FIRST, "ada", "bob")


def test_a_newer_one_takes_the_place_of_the_copy(tmp_path: Path) -> None:
    """Claim: the same one in another envelope does not, and is good."""
    asked(tmp_path, FIRST)
    assert asked(tmp_path, FIRST, "bob", "cyd") == Anchor(FIRST)
    assert (tmp_path / "copy.json").read_bytes() == signed(FIRST, "ada", "bob")
    assert asked(tmp_path, SECOND) == Anchor(SECOND)
    assert (tmp_path / "copy.json").read_bytes() == signed(SECOND, "ada", "bob")


@pytest.mark.parametrize(
    ("mode", "severity"),
    [
        (Enforcement.ENFORCE, Severity.REFUSE),
        (Enforcement.WARN, Severity.WARN),
        (Enforcement.OFF, Severity.WARN),
    ],
)
@pytest.mark.parametrize(
    ("document", "signers", "reason"),
    [
        (FIRST, ("ada", "bob"), "is older than version 2"),
        (replace(SECOND, version=3), ("ada", "eve"), "must have signed"),
        (replace(SECOND, version=3, expires_at=EARLIER), ("ada", "bob"), "expired"),
        (replace(SECOND, version=3, root=Roots(ids("eve"), 1)), ("eve",), "must have signed"),
    ],
    ids=["older", "signed by too few", "expired", "of other roots"],
)
def test_what_may_not_follow_leaves_the_copy_in_force(
    tmp_path: Path,
    mode: Enforcement,
    severity: Severity,
    document: TrustStore,
    signers: tuple[str, ...],
    reason: str,
) -> None:
    """Claim: it is told as gravely as the one that is known is enforced, and the copy stays as it is to the byte."""
    known = replace(SECOND, mode=mode)
    asked(tmp_path, known)
    anchor = asked(tmp_path, document, *signers)
    assert anchor.store == known
    assert reason in problem(anchor)[0]
    assert problem(anchor)[1] is severity
    assert (tmp_path / "copy.json").read_bytes() == signed(known, "ada", "bob")


def test_a_copy_that_cannot_be_used_refuses(tmp_path: Path) -> None:
    """Claim: nothing is believed in its place, though the named one would be good."""
    (tmp_path / "copy.json").write_bytes(b"{}")
    anchor = asked(tmp_path, FIRST)
    assert anchor.store is None
    assert "that was remembered" in problem(anchor)[0]
    assert problem(anchor)[1] is Severity.REFUSE
    assert (tmp_path / "copy.json").read_bytes() == b"{}"


def test_a_copy_that_is_a_broken_link_is_no_missing_one(tmp_path: Path) -> None:
    """Claim: what was remembered and cannot be reached is not forgotten."""
    (tmp_path / "copy.json").symlink_to(tmp_path / "away")
    anchor = asked(tmp_path, FIRST)
    assert (anchor.store, problem(anchor)[1]) == (None, Severity.REFUSE)


def test_an_expired_one_that_is_known_is_told(tmp_path: Path) -> None:
    """Claim: the time goes on, and the same file is good no longer; what it says holds, and refuses."""
    asked(tmp_path, FIRST)
    anchor = asked(tmp_path, FIRST, now=LATER)
    assert anchor.store == FIRST
    assert problem(anchor) == (f"version 1 of the trust store expired at {LATER}, and it is {LATER}", Severity.REFUSE)


def test_a_copy_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Claim: what cannot be pinned is not believed."""
    (tmp_path / "file").write_bytes(b"")
    path = tmp_path / "named.json"
    path.write_bytes(signed(FIRST, "ada", "bob"))
    anchor = anchor_at(path, tmp_path / "file" / "copy.json", NOW)
    assert anchor.store is None
    assert "cannot be remembered" in problem(anchor)[0]


def test_the_settings_name_a_trust_store_or_none(tmp_path: Path) -> None:
    """Claim: nothing is read and nothing is believed where they name none; one that is named is remembered for the user."""
    assert load_anchor(load_settings({}, environ={}, cwd=tmp_path)) is None
    lasting = replace(FIRST, expires_at="2099-01-01T00:00:00Z")
    path = tmp_path / "named.json"
    path.write_bytes(signed(lasting, "ada", "bob"))
    assert load_anchor(load_settings({"trust_store": str(path)}, environ={}, cwd=tmp_path)) == Anchor(lasting)
    assert remembered_path().read_bytes() == path.read_bytes()
