"""Files against a signature that lies beside them: whose counts, what differs, and that nothing else is believed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.client.signature_files import FILES, pem, settings_of, shards, signed, statement, trusting
from tests.unit.trust.authority import SIGNS_DATA, Holder, authority, issue
from tests.unit.trust.people import KEYS, ids, role

from modelreg import Mode, RefusedError, SignatureRequest, SignedFiles, verify_files
from modelreg.client import signature_file
from modelreg.client.keyring import file_of
from modelreg.client.placed import Placed
from modelreg.errors import DocumentError, NotFoundError, UsageError
from modelreg.trust.keys import PrivateKey
from modelreg.trust.roles import Revocation
from modelreg.trust.signers.file import make_key_folder, write_key_file
from modelreg.trust.trust_store import Enforcement

NOW = dt.datetime.now(dt.UTC)
PAST, FUTURE = NOW - dt.timedelta(days=30), NOW + dt.timedelta(days=30)
ROOT = authority("Root", end=dt.datetime(2100, 1, 1, tzinfo=dt.UTC))
OTHER = authority("Root", end=dt.datetime(2100, 1, 1, tzinfo=dt.UTC))


def leaf(*, end: dt.datetime = FUTURE) -> Holder:
    return issue("Ada", [SIGNS_DATA], by=ROOT, begin=PAST, end=end)


ADA = leaf()
Check = Callable[..., SignedFiles]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with ``FILES``."""
    for path, data in FILES.items():
        place = tmp_path / "model" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return tmp_path / "model"


@pytest.fixture
def check(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """``check(keys=...)``: the folder against ``model.sig`` beside it, for somebody with the settings that are given."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def run(
        *keys: str, roots: Path | None = None, name: str | None = None, path: Path | None = None, **flags: str
    ) -> SignedFiles:
        request = SignatureRequest(tmp_path / "model.sig", keys, roots, name)
        mode = Mode(flags.pop("mode", "default"))
        return verify_files(path or model, request, settings=settings_of(tmp_path, **flags), mode=mode)

    return run


def roots(tmp_path: Path, *holders: Holder) -> Path:
    path = tmp_path / "roots.pem"
    path.write_bytes(b"".join(holder.pem for holder in holders))
    return path


def own(tmp_path: Path, key: PrivateKey = KEYS["ada"]) -> None:
    """Make it one of the user's own."""
    make_key_folder(tmp_path / "keys")
    write_key_file(tmp_path / "keys" / "mine.key", file_of(key, None).to_bytes())


def refusal(check: Callable[[], object]) -> dict[str, str]:
    """What is said of signatures where that refuses with exit status 16: severity by rule."""
    with pytest.raises(RefusedError) as caught:
        check()
    assert caught.value.exit_status == 16
    return {finding.rule: finding.severity.value for finding in caught.value.verdict.findings}


STRANGER = {"MR201": "refuse", "MR203": "warn"}


def test_a_key_that_is_named_counts(check: Check, tmp_path: Path) -> None:
    """Claim: as a PEM file, or by its name among the user's, and beside others; the answer says whose it was."""
    signed(tmp_path)
    own(tmp_path)
    for keys in ((pem(tmp_path),), ("mine",), (pem(tmp_path, KEYS["eve"]), pem(tmp_path))):
        found = check(*keys)
        assert found.signature is not None
        assert (found.signature.key_id, found.signature.files) == (KEYS["ada"].public.id, 3)
        assert (found.size_bytes, found.verdict.findings) == (11, ())


def test_a_key_that_is_named_is_the_only_one(check: Check, tmp_path: Path) -> None:
    """Claim: whoever asks whether eve signed is not told yes for his own key."""
    signed(tmp_path)
    own(tmp_path)
    assert refusal(lambda: check(pem(tmp_path, KEYS["eve"]))) == STRANGER
    assert refusal(lambda: check(roots=roots(tmp_path, ROOT))) == STRANGER


def test_ones_own_keys_count_without_a_trust_store(check: Check, tmp_path: Path) -> None:
    """Claim: as for signatures in a registry; and nobody else's, which refuses and does not only warn."""
    signed(tmp_path)
    assert refusal(check) == STRANGER
    own(tmp_path)
    assert check().signature is not None
    signed(tmp_path, KEYS["eve"])
    assert refusal(check) == STRANGER


def test_nothing_is_read_for_a_stranger(check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim: no file is opened before a believed key is found to have signed; and then the answer says that none was."""
    signed(tmp_path)
    monkeypatch.setattr(Placed, "open", lambda *_: pytest.fail("a file was opened"))
    assert refusal(check) == STRANGER
    found = check(mode="no-verify")
    assert (found.signature, found.size_bytes) == (None, 0)


def test_each_file_that_differs_is_named(check: Check, model: Path, tmp_path: Path) -> None:
    """Claim: changed, missing and unsigned ones, in that order, and what the signer passed over is told as such."""
    signed(tmp_path, over=statement(ignore_paths=(".git",)))
    (model / "model.h5").write_bytes(b"hullo")
    (model / "config.json").unlink()
    for path in (".git/hooks/post-checkout", ".gitter", "sub/new.txt"):
        (model / path).parent.mkdir(parents=True, exist_ok=True)
        (model / path).write_bytes(b"")
    with pytest.raises(RefusedError) as caught:
        check(pem(tmp_path))
    assert [finding.message for finding in caught.value.verdict.findings] == [
        "model.h5 does not hold the bytes that were signed",
        "config.json was signed and is not there",
        ".git/hooks/post-checkout is there and nobody signed it: the signer passed it over",
        ".gitter is there and nobody signed it",
        "sub/new.txt is there and nobody signed it",
    ]
    assert {finding.rule for finding in caught.value.verdict.findings} == {"MR202"}


def test_so_many_differences_are_named_and_the_others_counted(
    check: Check, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claim: a million new files do not make a million lines, nor hide the one that was changed."""
    monkeypatch.setattr(signature_file, "DIFFERENCES_NAMED_MAX", 2)
    signed(tmp_path)
    (model / "model.h5").write_bytes(b"hullo")
    for number in range(5):
        (model / f"a{number}").write_bytes(b"")
    with pytest.raises(RefusedError) as caught:
        check(pem(tmp_path))
    assert [finding.message for finding in caught.value.verdict.findings] == [
        "model.h5 does not hold the bytes that were signed",
        "a0 is there and nobody signed it",
        "4 more files differ from what was signed",
    ]


def test_no_flag_lets_changed_files_pass(check: Check, model: Path, tmp_path: Path) -> None:
    """Claim: --no-verify lets a stranger's signature be, and a good one over other files refuses all the same."""
    signed(tmp_path)
    (model / "model.h5").write_bytes(b"hullo")
    assert refusal(lambda: check(pem(tmp_path), mode="no-verify")) == {"MR202": "refuse"}


def test_the_signature_and_our_notes_are_no_part_of_the_folder(check: Check, model: Path, tmp_path: Path) -> None:
    """Claim: both may lie in it, and both are compared if they were signed."""
    (model / ".modelreg").mkdir()
    (model / ".modelreg" / "manifest.json").write_bytes(b"{}")
    signed(tmp_path)
    assert check(pem(tmp_path)).verdict.findings == ()
    inside = model / "model.sig"
    inside.write_bytes((tmp_path / "model.sig").read_bytes())
    request = SignatureRequest(inside, (pem(tmp_path),))
    assert verify_files(model, request, settings=settings_of(tmp_path)).verdict.findings == ()
    inside.unlink()
    signed(tmp_path, over=statement({**FILES, ".modelreg/manifest.json": b"[]"}))
    with pytest.raises(RefusedError, match=r"\.modelreg/manifest\.json does not hold"):
        check(pem(tmp_path))


@pytest.mark.parametrize("name", [".", "model.h5"], ids=["as the public tool", "as the specification"])
def test_a_file_by_itself(name: str, check: Check, model: Path, tmp_path: Path) -> None:
    """Claim: under either name, and not with other bytes."""
    signed(tmp_path, over=statement({name: b"hello"}))
    assert check(pem(tmp_path), path=model / "model.h5").size_bytes == 5
    (model / "model.h5").write_bytes(b"hullo")
    with pytest.raises(RefusedError, match=r"model\.h5 does not hold the bytes"):
        check(pem(tmp_path), path=model / "model.h5")


def test_a_file_by_itself_is_not_a_folder_of_more(check: Check, tmp_path: Path) -> None:
    """Claim: what is signed under no name is none of several files."""
    signed(tmp_path, over=statement({".": b"hello"}))
    assert refusal(lambda: check(pem(tmp_path))) == {"MR202": "refuse"}


def test_files_in_shards(check: Check, model: Path, tmp_path: Path) -> None:
    """Claim: pieces are read from the files that are there, links are none, and one more byte is told."""
    signed(tmp_path, over=shards(FILES, 3))
    found = check(pem(tmp_path))
    assert found.signature is not None
    assert (found.size_bytes, found.signature.files) == (11, 3)
    with (model / "model.h5").open("ab") as file:
        file.write(b"!")
    with pytest.raises(RefusedError, match=r"model\.h5 does not hold the bytes"):
        check(pem(tmp_path))
    (model / "model.h5").unlink()
    (tmp_path / "elsewhere").write_bytes(b"hello")
    (model / "model.h5").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError, match=r"model\.h5 does not hold the bytes"):
        check(pem(tmp_path))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "not valid JSON"),
        (b"[]", "OpenSSF Model Signing bundle"),
        (b"\x89HDF\r\n\x1a\n", "OpenSSF Model Signing bundle"),
    ],
    ids=["nothing", "a list", "a model"],
)
def test_what_is_no_bundle_is_refused(data: bytes, complaint: str, check: Check, tmp_path: Path) -> None:
    """Claim: as a signature that does not verify, which says why and names the file."""
    (tmp_path / "model.sig").write_bytes(data)
    with pytest.raises(RefusedError, match=rf"model\.sig.*{complaint}") as caught:
        check(pem(tmp_path))
    assert caught.value.exit_status == 16


def test_a_changed_bundle_is_no_stranger_s(check: Check, tmp_path: Path) -> None:
    """Claim: one that says it is by a key that counts, and is not, is a forgery."""
    signed(tmp_path, over=statement({"model.h5": b"other"}))
    other = json.loads((tmp_path / "model.sig").read_bytes())["dsseEnvelope"]["payload"]
    signed(tmp_path)
    bundle = json.loads((tmp_path / "model.sig").read_bytes())
    bundle["dsseEnvelope"]["payload"] = other
    (tmp_path / "model.sig").write_text(json.dumps(bundle))
    assert refusal(lambda: check(pem(tmp_path))) == {"MR202": "refuse"}


def test_a_certificate_counts_where_its_root_is_named(check: Check, tmp_path: Path) -> None:
    """Claim: by the option or by the setting, and whose it is is told; another root of that name does not do."""
    signed(tmp_path, ADA.signer, ADA)
    found = check(roots=roots(tmp_path, ROOT)).signature
    assert found is not None
    assert (found.key_id, found.certificate) == (ADA.signer.public.id, "CN=Ada")
    assert check(certificate_roots=str(roots(tmp_path, ROOT))).signature == found
    assert refusal(lambda: check(roots=roots(tmp_path, OTHER))) == STRANGER
    assert refusal(check) == STRANGER
    assert check(pem(tmp_path, ADA.signer)).signature == found


def test_a_certificate_that_has_ended_counts_no_more(check: Check, tmp_path: Path) -> None:
    """Claim: by today's date, where the public tool asks for the day on which it began."""
    ended = leaf(end=NOW - dt.timedelta(days=1))
    signed(tmp_path, ended.signer, ended)
    assert refusal(lambda: check(roots=roots(tmp_path, ROOT))) == STRANGER


def test_a_chain_whose_key_did_not_sign_is_a_forgery(check: Check, tmp_path: Path) -> None:
    """Claim: whoever puts ada's certificate beside his own signature is no stranger."""
    signed(tmp_path, ADA.signer, ADA)
    bundle = json.loads((tmp_path / "model.sig").read_bytes())
    signed(tmp_path, KEYS["eve"])
    forged = json.loads((tmp_path / "model.sig").read_bytes())
    forged["verificationMaterial"] = bundle["verificationMaterial"]
    (tmp_path / "model.sig").write_text(json.dumps(forged))
    assert refusal(lambda: check(roots=roots(tmp_path, ROOT))) == {"MR202": "refuse"}


@pytest.mark.parametrize("mode", list(Enforcement))
def test_a_trust_store_says_who_may_sign_the_model(mode: Enforcement, check: Check, tmp_path: Path) -> None:
    """Claim: its roles are asked under the name that is given, in every mode: a signature was demanded."""
    trust = trusting(tmp_path, mode=mode, roles=(role("team/**", "ada"), role("team/x", "bob")))
    own(tmp_path, KEYS["eve"])
    signed(tmp_path)
    found = check(name="team/fraud", trust_store=trust)
    assert found.signature is not None
    assert found.verdict.findings == ()
    assert refusal(lambda: check(name="team/x", trust_store=trust))["MR201"] == "refuse"
    assert "MR205" in refusal(lambda: check(name="fraud", trust_store=trust))
    signed(tmp_path, KEYS["eve"])
    assert "MR205" in refusal(lambda: check(name="team/fraud", trust_store=trust))
    signed(tmp_path, PrivateKey.generate())
    assert refusal(lambda: check(name="team/fraud", trust_store=trust)) == STRANGER


def test_a_trust_store_needs_the_name(check: Check, tmp_path: Path) -> None:
    """Claim: nothing on the disk is believed to say which model this is."""
    trust = trusting(tmp_path, roles=(role("*", "ada"),))
    signed(tmp_path)
    with pytest.raises(UsageError, match=r"nothing says which model .* is") as caught:
        check(trust_store=trust)
    assert "--name" in str(caught.value.hint)


def test_one_signature_is_too_few_for_two(check: Check, tmp_path: Path) -> None:
    """Claim: a role's threshold holds here too."""
    trust = trusting(tmp_path, roles=(role("*", "ada", "bob", threshold=2),))
    signed(tmp_path)
    assert refusal(lambda: check(name="fraud", trust_store=trust)) == {"MR201": "refuse", "MR206": "refuse"}


@pytest.mark.parametrize("revoked", [{"compromised": True}, {"from_index": 5}], ids=["compromised", "from an index"])
def test_a_revoked_key_counts_for_nobody(revoked: dict[str, object], check: Check, tmp_path: Path) -> None:
    """Claim: not even where it is named, for nothing proves that these files were signed before."""
    (ada,) = ids("dan")
    revocation = Revocation(ada, "laptop stolen", **revoked)  # type: ignore[arg-type]
    trust = trusting(tmp_path, roles=(role("*", "dan"),), revocations=(revocation,))
    signed(tmp_path, KEYS["dan"])
    expected = {"MR201": "refuse", "MR204": "refuse"}
    assert refusal(lambda: check(name="fraud", trust_store=trust)) == expected
    assert refusal(lambda: check("dan", trust_store=trust)) == expected
    assert refusal(lambda: check(pem(tmp_path, KEYS["dan"]), trust_store=trust)) == expected
    assert check(pem(tmp_path, KEYS["dan"])).signature is not None


def test_a_trust_store_that_cannot_be_used_refuses(check: Check, tmp_path: Path) -> None:
    """Claim: also for a key that is named, of which nobody knows then whether it was revoked."""
    (tmp_path / "trust.json").write_bytes(b"{}")
    signed(tmp_path)
    told = refusal(lambda: check(pem(tmp_path), trust_store=str(tmp_path / "trust.json")))
    assert told == {"MR209": "refuse"}


def test_what_cannot_be_read_is_told(check: Check, tmp_path: Path) -> None:
    """Claim: no signature, no files, no key and no roots each are an error of their own."""
    with pytest.raises(NotFoundError, match=r"there is no signature .*model\.sig"):
        check()
    signed(tmp_path)
    with pytest.raises(NotFoundError, match="there is no file or folder"):
        check(path=tmp_path / "gone")
    with pytest.raises(NotFoundError, match="no public key"):
        check(str(tmp_path / "gone.pem"))
    with pytest.raises(NotFoundError, match="no file of certificates"):
        check(roots=tmp_path / "gone.pem")
    (tmp_path / "bad.pem").write_text("text")
    with pytest.raises(DocumentError, match=r"bad\.pem"):
        check(str(tmp_path / "bad.pem"))
    (tmp_path / "model.sig").unlink()
    (tmp_path / "model.sig").mkdir()
    with pytest.raises(UsageError, match=r"the signature .*model\.sig.* cannot be read"):
        check()
