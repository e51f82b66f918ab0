"""A trust store's file: edits gather beside it until enough roots have signed, and only then it is another."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.trust.people import EARLIER, IDS, KEYS, ids, store

from modelreg import ModelregError, TrustDraft, TrustFile
from modelreg.client.keyring import Keyring, file_of
from modelreg.client.trust_terms import expiry
from modelreg.errors import ConflictError, DocumentError, NotFoundError, TrustThresholdError, UsageError
from modelreg.trust.acceptance import accept, accept_pinned, sign_trust_store
from modelreg.trust.dsse import Envelope
from modelreg.trust.roles import Role
from modelreg.trust.signers.file import make_key_folder, write_key_file
from modelreg.trust.trust_store import TrustStore

NOW = "2026-11-28T07:00:00Z"
LOG = "log.example/demo+4e8adc87+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
"""The vkey of the Ed25519 key of 32 zero bytes."""


@pytest.fixture
def desk(tmp_path: Path) -> Callable[..., Keyring]:
    """``desk("ada", "bob")``: the keyring of a machine that has those people's keys."""

    def made(*names: str) -> Keyring:
        folder = tmp_path / "-".join(names)
        if not folder.exists():
            make_key_folder(folder)
            for name in names:
                write_key_file(folder / f"{name}.key", file_of(KEYS[name], None).to_bytes())
        return Keyring(folder)

    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trust.json"


@pytest.fixture
def single(path: Path, desk: Callable[..., Keyring]) -> TrustFile:
    """A complete file of one root, ada's."""
    keyring = desk("ada")
    finish(TrustFile.init(path, keyring, ["ada"]))
    return TrustFile.open(path, keyring)


@pytest.fixture
def shared(path: Path, desk: Callable[..., Keyring], tmp_path: Path) -> Path:
    """A complete file that two of ada, bob and cyd have to sign."""
    keyring = desk("ada", "bob", "cyd")
    finish(TrustFile.init(path, keyring, ["ada", "bob", "cyd"], threshold=2))
    return path


def finish(draft: TrustDraft, *names: str) -> TrustStore:
    """The draft, signed by those of its keyring, or all that can."""
    saved = draft.save([draft.file.keyring.unlock(name) for name in names or draft.signing_keys()])
    return saved.store


def pem(tmp_path: Path, name: str) -> str:
    (tmp_path / f"{name}.pub.pem").write_text(KEYS[name].public.pem)
    return str(tmp_path / f"{name}.pub.pem")


def test_one_root_makes_each_version_at_once(single: TrustFile, tmp_path: Path) -> None:
    """Claim: with a threshold of one every command leaves a complete file that a client takes after the one before."""
    before = single.path.read_bytes()
    made = finish(single.add([pem(tmp_path, "bob")], "fraud/**"))
    first = accept_pinned(before, single.current.root.fingerprint, NOW)  # type: ignore[union-attr]
    assert accept(first, single.path.read_bytes(), NOW) == made
    assert (made.version, made.roles) == (2, (Role("fraud/**", ids("bob")),))
    assert not single.pending_path.exists()


def test_until_the_threshold_the_version_before_stays(shared: Path, desk: Callable[..., Keyring]) -> None:
    """Claim: one of two leaves the file as it was to the byte; the second, on another machine, completes it."""
    before = shared.read_bytes()
    finish(TrustFile.open(shared, desk("ada")).amend(mode="enforce"))
    assert shared.read_bytes() == before
    waiting = TrustFile.open(shared, desk("bob"))
    assert waiting.awaited is not None
    assert [str(change) for change in waiting.awaited.changes] == ["- mode warn", "+ mode enforce"]
    assert waiting.awaited.lacking[0].more == 1
    finish(waiting.awaited)
    done = TrustFile.open(shared, desk("bob"))
    assert (done.current.version, done.current.mode, done.pending) == (2, "enforce", None)  # type: ignore[union-attr]
    assert not done.pending_path.exists()


def test_edits_gather_in_one_next_version(shared: Path, desk: Callable[..., Keyring], tmp_path: Path) -> None:
    """Claim: a second edit changes what is pending, under the same number, and the signatures on the old are void."""
    finish(TrustFile.open(shared, desk("ada")).amend(mode="enforce"))
    draft = TrustFile.open(shared, desk("bob")).add([pem(tmp_path, "dan")], "*")
    assert draft.void == (f"ada ({IDS['ada'][:12]})",)
    finish(draft)
    pending = TrustFile.open(shared, desk("ada")).pending
    assert (pending.version, pending.mode, len(pending.roles)) == (2, "enforce", 1)  # type: ignore[union-attr]
    finish(TrustFile.open(shared, desk("ada")).awaited)  # type: ignore[arg-type]
    assert TrustFile.open(shared, desk("ada")).current == pending


def test_a_rotation_needs_the_old_and_the_new(shared: Path, desk: Callable[..., Keyring], tmp_path: Path) -> None:
    """Claim: two new roots alone, or two old alone, complete nothing; a threshold of both does."""
    before = shared.read_bytes()
    new = [pem(tmp_path, "dan"), pem(tmp_path, "eve")]
    finish(TrustFile.open(shared, desk("ada")).rotate(new, 2))
    for keyring in (desk("dan"), desk("eve")):
        finish(TrustFile.open(shared, keyring).awaited)  # type: ignore[arg-type]
    waiting = TrustFile.open(shared, desk("bob")).awaited
    assert waiting is not None
    assert [(gap.version, gap.more) for gap in waiting.lacking] == [(1, 1)]
    assert shared.read_bytes() == before
    finish(waiting)
    rotated = TrustFile.open(shared, desk("dan")).current
    assert rotated is not None
    assert (rotated.version, rotated.root.keys) == (2, tuple(sorted(ids("dan", "eve"))))
    first = accept_pinned(before, store().root.fingerprint, NOW)
    assert accept(first, shared.read_bytes(), NOW) == rotated


def test_who_is_no_root_signs_nothing(shared: Path, desk: Callable[..., Keyring]) -> None:
    """Claim: a key that counts for nothing is refused by its name, and nothing is written."""
    draft = TrustFile.open(shared, desk("dan")).amend(mode="off")
    with pytest.raises(UsageError, match=r"no root key of .* is in"):
        draft.signing_keys()
    with pytest.raises(UsageError, match=r"your key dan .* is no root key"):
        draft.signing_keys(["dan"])
    assert not draft.file.pending_path.exists()


def test_a_signature_is_not_asked_for_twice(shared: Path, desk: Callable[..., Keyring]) -> None:
    """Claim: the same holder again completes nothing, however often."""
    finish(TrustFile.open(shared, desk("ada")).amend(mode="enforce"))
    waiting = TrustFile.open(shared, desk("ada")).awaited
    assert waiting is not None
    with pytest.raises(UsageError, match=r"ada has signed .* already"):
        waiting.signing_keys()
    with pytest.raises(UsageError, match="these signatures already"):
        waiting.save([KEYS["ada"]])


def test_two_editors_do_not_overwrite_each_other(single: TrustFile) -> None:
    """Claim: a file that changed since it was read is not replaced, whoever changed it."""
    other = TrustFile.open(single.path, single.keyring).amend(mode="enforce")
    finish(single.amend(mode="off"))
    kept = single.path.read_bytes()
    with pytest.raises(ConflictError, match="changed by somebody else"):
        finish(other)
    assert single.path.read_bytes() == kept


def test_a_stop_between_the_two_files_is_no_loss(shared: Path, desk: Callable[..., Keyring]) -> None:
    """Claim: a complete file with the same version still beside it, as a crash leaves them, is edited as if it were not."""
    finish(TrustFile.open(shared, desk("ada")).amend(mode="enforce"))
    pending = Path(f"{shared}.pending").read_bytes()
    finish(TrustFile.open(shared, desk("bob")).awaited)  # type: ignore[arg-type]
    Path(f"{shared}.pending").write_bytes(pending)
    found = TrustFile.open(shared, desk("ada", "bob", "cyd"))
    assert found.awaited is None
    assert finish(found.amend(mode="warn")).version == 3
    assert not found.pending_path.exists()


def test_what_was_overtaken_or_lacks_its_predecessor_is_told(
    shared: Path, desk: Callable[..., Keyring], tmp_path: Path
) -> None:
    """Claim: neither is signed: nobody could tell what it changes."""
    finish(TrustFile.open(shared, desk("ada")).amend(mode="enforce"))
    pending = Path(f"{shared}.pending").read_bytes()
    alone = tmp_path / "elsewhere.json"
    Path(f"{alone}.pending").write_bytes(pending)
    with pytest.raises(NotFoundError, match="version 1, whose root keys"):
        TrustFile.open(alone, desk("bob")).awaited  # noqa: B018
    Path(f"{shared}.pending").unlink()
    finish(TrustFile.open(shared, desk("ada", "bob", "cyd")).amend(mode="off"))
    Path(f"{shared}.pending").write_bytes(pending)
    with pytest.raises(ConflictError, match="is at version 2") as caught:
        TrustFile.open(shared, desk("bob")).amend(mode="warn")
    assert "rm " in str(caught.value.hint)


def test_a_file_that_its_roots_have_not_signed_is_no_trust_store(path: Path, desk: Callable[..., Keyring]) -> None:
    """Claim: too few signatures, other bytes and an endless file are told by the file's name."""
    path.write_bytes(sign_trust_store(store(), [KEYS["ada"]]))
    with pytest.raises(TrustThresholdError, match=f"{path}: 2 of the 3"):
        TrustFile.open(path, desk("ada"))
    path.write_bytes(b"{}")
    with pytest.raises(DocumentError, match=str(path)):
        TrustFile.open(path, desk("ada"))
    path.write_bytes(b" " * (3 * 1024 * 1024))
    with pytest.raises(DocumentError, match="longer than"):
        TrustFile.open(path, desk("ada"))
    with pytest.raises(NotFoundError, match="there is no trust store"):
        TrustFile.open(path.with_name("nothing.json"), desk("ada"))


def test_a_key_joins_a_role_and_its_threshold_is_kept(single: TrustFile, tmp_path: Path) -> None:
    """Claim: adding changes nothing but what is named; a threshold alone changes the threshold alone."""
    for name in ("bob", "cyd"):
        finish(TrustFile.open(single.path, single.keyring).add([pem(tmp_path, name)], "fraud/**"))
    made = finish(TrustFile.open(single.path, single.keyring).add([], "fraud/**", threshold=2))
    assert made.roles == (Role("fraud/**", ids("bob", "cyd"), 2),)
    made = finish(TrustFile.open(single.path, single.keyring).add([pem(tmp_path, "dan")], "fraud/**", from_index=9))
    assert made.roles == (
        Role("fraud/**", ids("bob", "cyd"), 2, 0, 9),
        Role("fraud/**", ids("bob", "cyd", "dan"), 2, 9),
    )
    made = finish(TrustFile.open(single.path, single.keyring).remove("bob", "fraud/**"))
    assert made.roles[0].keys == tuple(sorted(ids("bob", "cyd")))
    assert made.roles[1] == Role("fraud/**", ids("cyd", "dan"), 2, 9)


@pytest.mark.parametrize(
    ("ask", "complaint"),
    [
        (lambda file: file.add([]), "no pattern"),
        (lambda file: file.add([], "x"), "no key is given"),
        (lambda file: file.add(["ada"], "x/*/y"), "not a pattern"),
        (lambda file: file.add(["ada"]), "says so already"),
        (lambda file: file.add(["nobody"], "*"), "neither a PEM file"),
        (lambda file: file.add(["nothing.pem"], "*"), "no public key 'nothing.pem'"),
        (lambda file: file.add(["=ada"], "*"), "neither|cannot be a key's name"),
        (lambda file: file.remove("ada"), "is a root key"),
        (lambda file: file.remove(None), "nothing is named"),
        (lambda file: file.remove("ada", "*"), "in no role"),
        (lambda file: file.revoke("ada", "x", compromised=True), r"ada .* is a root key"),
        (lambda file: file.revoke("eve", "x", compromised=True), "has no key 'eve'"),
        (lambda file: file.rotate(threshold=2), "asks for 2 signatures by 1"),
        (lambda file: file.rotate(), "roots already"),
        (lambda file: file.amend(), "nothing was changed"),
        (lambda file: file.amend(mode="strict"), "no mode"),
        (lambda file: file.amend(expires="tomorrow"), "no time"),
        (lambda file: file.amend(expires="2020-01-01"), "is over"),
        (lambda file: file.amend(registries=["r=x"]), "not the key of a log"),
        (lambda file: file.amend(registries=[f"r={LOG}"]), "of the log 'log.example/demo', not of 'r'"),
        (lambda file: file.amend(registries=[LOG.replace("demo", "damo")]), "do not fit together"),
        (lambda file: file.amend(without_registries=["r"]), "no registry 'r'"),
        (lambda file: file.amend(quorum=1), "1 of 0 witnesses"),
        (lambda file: TrustFile.init(file.path, file.keyring, ["ada"]), "is there already"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(
    ask: Callable[[TrustFile], TrustDraft], complaint: str, single: TrustFile
) -> None:
    """Claim: each is a typed error with the actual value, and the folder stays as it was."""
    before = {found: found.read_bytes() for found in single.path.parent.glob("trust*")}
    with pytest.raises(ModelregError, match=complaint):
        ask(single)
    assert {found: found.read_bytes() for found in single.path.parent.glob("trust*")} == before


def test_an_ambiguous_name_is_not_guessed(single: TrustFile, desk: Callable[..., Keyring], tmp_path: Path) -> None:
    """Claim: a name that means one key there and another here is told; NAME= says which."""
    finish(single.add([f"bob={pem(tmp_path, 'cyd')}"], "*"))
    file = TrustFile.open(single.path, desk("bob"))
    with pytest.raises(UsageError, match="names a key of yours"):
        file.add(["bob"], "fraud/**")
    assert file.add([IDS["cyd"][:12]], "fraud/**").store.roles[1].keys == ids("cyd")
    assert file.add(["mine=bob"], "fraud/**").store.roles[1].keys == ids("bob")


def test_an_expired_one_is_renewed_first(path: Path, desk: Callable[..., Keyring]) -> None:
    """Claim: an edit that leaves it expired is refused with what to type, and the renewal is an edit like any."""
    path.write_bytes(sign_trust_store(store(expires_at=EARLIER), [KEYS["ada"], KEYS["bob"]]))
    file = TrustFile.open(path, desk("ada", "bob"))
    with pytest.raises(UsageError, match="expired at") as caught:
        file.amend(mode="off")
    assert "--expires 365d" in str(caught.value.hint)
    assert finish(file.amend(expires="30d")).version == 2


def test_a_link_leads_to_the_file(single: TrustFile, tmp_path: Path) -> None:
    """Claim: an edit by a link replaces the file, and the link stays."""
    link = tmp_path / "link.json"
    link.symlink_to(single.path)
    finish(TrustFile.open(link, single.keyring).amend(mode="off"))
    assert link.is_symlink()
    assert os.path.samefile(link, single.path)
    assert TrustFile.open(single.path, single.keyring).current.mode == "off"  # type: ignore[union-attr]


def test_the_signed_bytes_are_those_that_were_shown(shared: Path, desk: Callable[..., Keyring]) -> None:
    """Claim: a countersignature leaves the document as it is to the byte."""
    finish(TrustFile.open(shared, desk("ada")).amend(mode="enforce"))
    before = Envelope.parse(Path(f"{shared}.pending").read_bytes()).payload
    finish(TrustFile.open(shared, desk("bob")).awaited)  # type: ignore[arg-type]
    assert Envelope.parse(shared.read_bytes()).payload == before


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1d", "2026-11-29T07:00:00Z"),
        ("2027-01-02", "2027-01-02T00:00:00Z"),
        ("2027-01-02T03:04:05Z", "2027-01-02T03:04:05Z"),
    ],
)
def test_times_are_read(text: str, time: str) -> None:
    """Claim: a date is its first second in UTC, and days are counted from now."""
    assert expiry(text, NOW) == time


@pytest.mark.parametrize(
    "text", ["", "0d", "36501d", "d", "-1d", "2027-13-01", "2026-11-28", "2027-01-02T03:04", "9999999d"]
)
def test_no_times(text: str) -> None:
    """Claim: what is none, or over, is a usage error."""
    with pytest.raises(UsageError):
        expiry(text, NOW)
