"""The first trust store is taken by the fingerprint of its roots, and each later one only by the rules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.trust.people import EARLIER, KEYS, ids, store

from modelreg import import_trust_store, load_settings, remembered_beside
from modelreg.client.anchor import anchor_at, remembered_path
from modelreg.errors import (
    DocumentError,
    TrustExpiredError,
    TrustGapError,
    TrustPinError,
    TrustRollbackError,
    TrustThresholdError,
    UsageError,
)
from modelreg.trust.acceptance import sign_trust_store
from modelreg.trust.trust_store import Enforcement, Roots, TrustStore

FAR = "2099-01-01T00:00:00Z"
ROOT = store().root.fingerprint
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """``write(version=2)``: the file of such a document, signed by two of its roots."""

    def written(*names: str, name: str = "trust.json", **changes: object) -> Path:
        document = store(**{"expires_at": FAR, **changes})
        path = tmp_path / name
        path.write_bytes(sign_trust_store(document, [KEYS[name] for name in names or ("ada", "bob")]))
        return path

    return written


def remembered() -> TrustStore | None:
    path = remembered_path()
    return anchor_at(path, path, "2026-11-28T07:00:00Z").store if path.exists() else None


def test_the_first_is_taken_by_its_fingerprint(write: Write) -> None:
    """Claim: with the right fingerprint, however it is written, it is remembered; with another, or none, it is not."""
    path = write()
    with pytest.raises(UsageError, match=ROOT):
        import_trust_store([path])
    with pytest.raises(TrustPinError):
        import_trust_store([path], root="0" * 64)
    with pytest.raises(UsageError, match="is not the fingerprint"):
        import_trust_store([path], root=ROOT[:20])
    assert remembered() is None
    assert import_trust_store([path], root=ROOT, dry_run=True).store.version == 1
    assert remembered() is None
    done = import_trust_store([path], root=f"SHA256:{ROOT.upper()}\n")
    assert (done.before, done.path, remembered()) == (None, remembered_path(), done.store)


def test_a_person_is_asked_once(write: Write) -> None:
    """Claim: who is asked sees the document, a no leaves nothing, and a later one asks nobody."""

    class NoError(Exception):
        pass

    def no(_: TrustStore) -> None:
        raise NoError

    asked: list[TrustStore] = []
    with pytest.raises(NoError):
        import_trust_store([write()], ask=no)
    assert remembered() is None
    import_trust_store([write()], ask=asked.append)
    assert [found.root.fingerprint for found in asked] == [ROOT]
    assert import_trust_store([write(version=2)], ask=no).before == asked[0]


def test_a_later_one_follows_or_nothing_changes(write: Write) -> None:
    """Claim: older, other, expired, too few signatures, other roots: each refuses, and what is remembered stays."""
    import_trust_store([write(version=5)], root=ROOT)
    eves = {"root": Roots(ids("eve"), 1)}
    for error, path in (
        (TrustRollbackError, write(name="older", version=4)),
        (TrustRollbackError, write(name="other", version=5, mode=Enforcement.OFF)),
        (TrustExpiredError, write(name="expired", version=6, expires_at=EARLIER)),
        (TrustThresholdError, write("ada", name="too-few", version=6)),
        (TrustThresholdError, write("eve", name="usurped", version=6, **eves)),
        (TrustGapError, write("ada", "bob", "eve", name="gap", version=7, **eves)),
    ):
        with pytest.raises(error):
            import_trust_store([path], root=None)
        with pytest.raises(error):
            import_trust_store([path], root=store(**eves).root.fingerprint)
        assert remembered() == store(version=5, expires_at=FAR)
    with pytest.raises(TrustPinError):
        import_trust_store([write(version=6)], root="0" * 64)
    assert import_trust_store([write(version=6)]).store.version == 6


def test_missed_rotations_are_followed_one_by_one(write: Write) -> None:
    """Claim: the files in between, oldest first, lead to the newest, also where they have expired, and also at first."""
    import_trust_store([write()], root=ROOT)
    one = write("ada", "bob", "dan", name="2.json", version=2, root=Roots(ids("dan"), 1), expires_at=EARLIER)
    two = write("dan", "eve", name="3.json", version=3, root=Roots(ids("eve"), 1))
    with pytest.raises(TrustThresholdError):
        import_trust_store([two])
    assert import_trust_store([one, two]).store.version == 3
    remembered_path().unlink()
    done = import_trust_store([write(name="1.json", expires_at=EARLIER), one, two], root=ROOT)
    assert remembered() == done.store


def test_what_cannot_be_read_is_told(tmp_path: Path, write: Write) -> None:
    """Claim: no file, no trust store and a damaged copy are errors, and the copy is not written over."""
    with pytest.raises(DocumentError, match="there is no trust store"):
        import_trust_store([tmp_path / "nothing"], root=ROOT)
    with pytest.raises(UsageError):
        import_trust_store([], root=ROOT)
    import_trust_store([write()], root=ROOT)
    remembered_path().write_bytes(b"x")
    with pytest.raises(DocumentError, match="that was remembered"):
        import_trust_store([write(version=2)], root=ROOT)
    assert remembered_path().read_bytes() == b"x"


def test_whether_a_file_is_accepted_here(write: Write) -> None:
    """Claim: it is told without accepting anything, and whether a setting names it."""
    path = write(version=2)
    settings = load_settings({"trust_store": str(path)}, environ={})
    found = remembered_beside(path, settings)
    assert (found.store, found.problem, found.is_used) == (None, None, True)
    assert not remembered_path().exists()
    import_trust_store([path], root=ROOT)
    found = remembered_beside(write(version=1), load_settings({}, environ={}))
    assert (found.store.version, found.is_used) == (2, False)  # type: ignore[union-attr]
    assert "is older than version 2" in str(found.problem)


def test_a_fingerprint_is_asked_of_the_first_of_several(write: Write) -> None:
    """Claim: a chain whose first document has other roots is not taken, however well it goes on."""
    chain = [write(), write(name="2.json", version=2)]
    with pytest.raises(TrustPinError):
        import_trust_store(chain, root="0" * 64)
    assert remembered() is None
    assert import_trust_store(chain, root=ROOT).store.version == 2


def test_who_gives_the_fingerprint_is_not_asked(write: Write) -> None:
    """Claim: of the first document, and a later one with those roots is taken with the fingerprint too."""

    def no(_: TrustStore) -> None:
        raise AssertionError

    import_trust_store([write()], root=ROOT, ask=no)
    assert import_trust_store([write(version=2)], root=ROOT).store.version == 2


def test_the_same_document_again_is_not_copied(write: Write) -> None:
    """Claim: what is remembered stays as it came, to the byte, whoever else has signed it."""
    path = write()
    import_trust_store([path], root=ROOT)
    before = path.read_bytes()
    import_trust_store([write("bob", "cyd")])
    assert remembered_path().read_bytes() == before != path.read_bytes()


def test_a_first_document_that_would_not_be_accepted_is_told(write: Write, tmp_path: Path) -> None:
    """Claim: expired or signed by too few; a setting that names another file does not use this one."""
    settings = load_settings({"trust_store": str(tmp_path / "another.json")}, environ={})
    found = remembered_beside(write(expires_at=EARLIER), settings)
    assert (found.store, found.is_used) == (None, False)
    assert "expired" in str(found.problem)
    assert "must have signed" in str(remembered_beside(write("ada"), settings).problem)
