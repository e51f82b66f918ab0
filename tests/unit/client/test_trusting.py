"""Who signed, on whole registries: what a pull says and refuses, with a trust store and without, and what a thief can write."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.care import flipped, overwrite
from tests.unit.trust.people import EARLIER, KEYS, ids, role, store

from modelreg import Purpose, RefusedError, Registry, UsageError, Verdict, load_settings, verify_folder
from modelreg.client.anchor import COPY_NAME
from modelreg.client.keyring import Keyring, file_of
from modelreg.client.memory import FOLDER_NAME
from modelreg.client.trusting import trusted_by
from modelreg.config import Settings
from modelreg.records import DOCUMENT_SIZE_BYTES_MAX
from modelreg.trust.acceptance import sign_trust_store
from modelreg.trust.roles import Revocation
from modelreg.trust.signers.file import make_key_folder, write_key_file
from modelreg.trust.trust_store import Enforcement, TrustedRegistry, TrustStore

pytestmark = pytest.mark.slow

ADA, BOB, EVE = KEYS["ada"], KEYS["bob"], KEYS["eve"]
FAR = "2099-01-01T00:00:00Z"
Open = Callable[..., Registry]


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of settings, where nothing is yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "modelreg"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.bin"
    path.write_bytes(b"some bytes")
    return path


def settings_of(tmp_path: Path, **flags: str) -> Settings:
    given = {"home": str(tmp_path / "home"), "target": "none", "keys": str(tmp_path / "keys"), **flags}
    return load_settings(given, environ={}, cwd=tmp_path)


@pytest.fixture
def opened(tmp_path: Path, configuration: Path) -> Open:
    """``opened(trust_store=PATH)``: the registry under those settings."""
    return lambda **flags: Registry.open(settings=settings_of(tmp_path, **flags))


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    """The user's own keys: ada's."""
    folder = tmp_path / "keys"
    make_key_folder(folder)
    write_key_file(folder / "ada.key", file_of(ADA, None).to_bytes())
    return Keyring(folder)


def push(registry: Registry, model: Path, *signers: object, name: str = "fraud") -> str:
    """Push a version and let all of ``signers`` sign it."""
    pushed = registry.push(model, name=name, environment="none")
    for signer in signers:
        registry.sign(pushed.reference, signer)  # type: ignore[arg-type]
    return pushed.reference


def told(verdict: Verdict) -> dict[str, str]:
    """Severity by rule of what is said about signatures."""
    return {each.rule: each.severity.value for each in verdict.findings if each.rule.startswith("MR2")}


def judged(registry: Registry, reference: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """What is said before a byte is fetched, and who signed."""
    _, judgement = registry.judge(reference, Purpose.PULL)
    return told(judgement.verdict), judgement.signed_by


def written(path: Path, document: TrustStore, *signers: str) -> str:
    """A trust store of ``document`` at ``path``."""
    path.write_bytes(sign_trust_store(document, [KEYS[name] for name in signers or ("ada", "bob")]))
    return str(path)


def execute(registry: Registry, statement: str, *values: object) -> None:
    """The database as somebody who can write rows changes it."""
    path = registry._session.sqlite_path
    assert path is not None
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


def test_what_was_signed_on_this_machine_is_signed(opened: Open, model: Path, keyring: Keyring) -> None:
    """Claim: without a trust store the user's own keys are trusted, and a demand for a signature is met by one."""
    registry = opened(require_signature="true")
    assert judged(registry, push(registry, model)) == ({"MR201": "refuse"}, ())
    assert judged(registry, push(registry, model, keyring.unlock("ada"))) == ({}, (ADA.public.id,))
    assert registry.verify("fraud:2").signed_by == (ADA.public.id,)


def test_a_stranger_s_signature_is_told_and_counts_for_nothing(opened: Open, model: Path, keyring: Keyring) -> None:
    """Claim: a version that only a stranger signed is as good as unsigned; beside an own one it is a remark."""
    registry = opened()
    assert judged(registry, push(registry, model, EVE)) == ({"MR201": "warn", "MR203": "warn"}, ())
    assert judged(registry, push(registry, model, EVE, ADA)) == ({"MR203": "info"}, (ADA.public.id,))
    assert keyring.names() == ("ada",)


@pytest.mark.parametrize("mode", Enforcement)
@pytest.mark.parametrize(
    ("signers", "rules"),
    [
        ((), {"MR201"}),
        (("ada",), {"MR201", "MR206"}),
        (("hal",), {"MR201", "MR205"}),
        (("ada", "bob"), set()),
        (("ada", "cyd"), set()),
    ],
    ids=["unsigned", "one of two", "another role's", "two", "the other two"],
)
def test_the_roles_of_a_trust_store_decide(
    opened: Open, model: Path, tmp_path: Path, mode: Enforcement, signers: tuple[str, ...], rules: set[str]
) -> None:
    """Claim: two of three keys must have signed; what is missing refuses, warns or informs as the store's mode says."""
    roles = (role("fraud", "ada", "bob", "cyd", threshold=2), role("*", "hal"))
    registry = opened(trust_store=written(tmp_path / "t.json", store(mode=mode, roles=roles, expires_at=FAR)))
    reference = push(registry, model, *(KEYS[name] for name in signers))
    found, signed_by = judged(registry, reference)
    severity = {Enforcement.OFF: "info", Enforcement.WARN: "warn", Enforcement.ENFORCE: "refuse"}[mode]
    assert found == dict.fromkeys(rules, severity)
    assert signed_by == (() if rules else tuple(sorted(ids(*signers))))
    destination = tmp_path / "out"
    if rules and mode is Enforcement.ENFORCE:
        with pytest.raises(RefusedError) as caught:
            registry.pull(reference, destination)
        assert caught.value.exit_status == 16
    else:
        assert registry.pull(reference, destination).signed_by == signed_by
    assert destination.exists() == (not rules or mode is not Enforcement.ENFORCE)


@pytest.mark.parametrize("mode", [Enforcement.WARN, Enforcement.ENFORCE])
def test_a_revoked_key_refuses_in_every_mode(opened: Open, model: Path, tmp_path: Path, mode: Enforcement) -> None:
    """Claim: what a stolen key signed is not taken, whatever the flags."""
    stolen = Revocation(EVE.public.id, reason="laptop stolen", compromised=True)
    document = store(mode=mode, roles=(role("*", "eve"),), revocations=(stolen,), expires_at=FAR)
    registry = opened(trust_store=written(tmp_path / "t.json", document))
    reference = push(registry, model, EVE)
    found, _ = judged(registry, reference)
    assert found["MR204"] == "refuse"
    with pytest.raises(RefusedError, match="laptop stolen"):
        registry.pull(reference, "nowhere", mode="no-verify")  # type: ignore[arg-type]


def test_a_registry_that_the_trust_store_does_not_name_is_not_believed(
    opened: Open, model: Path, tmp_path: Path
) -> None:
    """Claim: good signatures on a version of another registry do not help."""
    roles = (role("*", "ada"),)
    document = store(roles=roles, registries=(TrustedRegistry("another"),), expires_at=FAR)
    registry = opened(trust_store=written(tmp_path / "t.json", document))
    assert judged(registry, push(registry, model, ADA)) == ({"MR201": "refuse", "MR205": "refuse"}, ())


def test_a_bundle_of_another_version_is_a_forgery(opened: Open, model: Path, keyring: Keyring) -> None:
    """Claim: a genuine signature that is listed with another version refuses: it signs another manifest."""
    registry = opened()
    signed, unsigned = push(registry, model, keyring.unlock("ada")), push(registry, model)
    execute(
        registry,
        "INSERT INTO bundles SELECT v.id, b.sha256, b.kind, b.key_id FROM bundles b, versions v"
        " WHERE v.version = 2 AND b.kind = 'manifest'",
    )
    found, _ = judged(registry, unsigned)
    assert found == {"MR201": "warn", "MR202": "refuse"}
    assert judged(registry, signed) == ({}, (ADA.public.id,))


@pytest.mark.parametrize("kind", ["manifest", "oms"])
def test_a_changed_bundle_refuses(opened: Open, model: Path, keyring: Keyring, kind: str) -> None:
    """Claim: one flipped bit in either bundle is told, also where the other is good and under ``no-verify``."""
    registry = opened()
    reference = push(registry, model, keyring.unlock("ada"))
    (sha256,) = (each.sha256 for each in registry.resolve(reference).bundles if each.kind == kind)
    data = registry.store.read(sha256, DOCUMENT_SIZE_BYTES_MAX)
    overwrite(registry, sha256, flipped(data, len(data) // 2))
    assert judged(registry, reference)[0]["MR202"] == "refuse"
    with pytest.raises(RefusedError):
        registry.verify(reference, mode="no-verify")  # type: ignore[arg-type]


def test_a_signature_whose_row_or_blob_was_removed_is_missed(opened: Open, model: Path, keyring: Keyring) -> None:
    """Claim: stripping signatures makes a version unsigned, which a demand refuses."""
    registry = opened(require_signature="true")
    ada = keyring.unlock("ada")
    by_blob, by_row = push(registry, model, ada), push(registry, model, ada)
    for each in registry.resolve(by_blob).bundles:
        registry.store.delete(each.sha256)
    execute(registry, "DELETE FROM bundles WHERE version_id = (SELECT id FROM versions WHERE version = 2)")
    assert judged(registry, by_blob) == ({"MR201": "refuse", "MR202": "warn"}, ())
    assert judged(registry, by_row) == ({"MR201": "refuse"}, ())


@pytest.mark.parametrize("kind", ["oms", "nonsense"])
def test_what_a_row_says_of_a_bundle_decides_nothing(opened: Open, model: Path, keyring: Keyring, kind: str) -> None:
    """Claim: a bundle over the manifest that is listed as something else is never silently believed as that."""
    registry = opened()
    reference = push(registry, model, keyring.unlock("ada"))
    path = registry._session.sqlite_path
    assert path is not None
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("UPDATE bundles SET kind = ?, key_id = 'x' WHERE kind = 'manifest'", (kind,))
    found, signed_by = judged(registry, reference)
    assert (found, signed_by) == (
        ({"MR201": "warn", "MR202": "refuse"}, ()) if kind == "oms" else ({}, (ADA.public.id,))
    )


def test_a_pulled_folder_keeps_its_signatures(
    opened: Open, model: Path, tmp_path: Path, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claim: without any registry the folder still tells who signed; changed or removed bundles are noticed."""
    registry = opened()
    folder = registry.pull(push(registry, model, keyring.unlock("ada")), tmp_path / "out").folder
    registry.close()
    demanding = settings_of(tmp_path, require_signature="true")
    assert verify_folder(folder, settings=demanding).signed_by == (ADA.public.id,)
    kept = sorted((folder / ".modelreg" / "bundles").iterdir())
    assert [path.name.split(".", 1)[1] for path in kept].count("oms.json") == 1
    (manifest,) = (path for path in kept if path.name.endswith("manifest.json"))
    data = manifest.read_bytes()
    manifest.chmod(0o644)
    manifest.write_bytes(flipped(data, 40))
    with pytest.raises(RefusedError) as caught:
        verify_folder(folder, settings=demanding)
    assert caught.value.verdict is not None
    assert told(caught.value.verdict) == {"MR201": "refuse", "MR202": "refuse"}
    manifest.unlink()
    with pytest.raises(RefusedError) as caught:
        verify_folder(folder, settings=demanding)
    assert caught.value.verdict is not None
    assert told(caught.value.verdict) == {"MR201": "refuse"}


def test_the_first_trust_store_is_remembered_and_others_must_follow_it(
    opened: Open, model: Path, tmp_path: Path, configuration: Path
) -> None:
    """Claim: a newer one takes its place; an older one, one of other roots, and none at all refuse, and the copy stays."""
    path, roles = tmp_path / "t.json", (role("*", "ada"),)
    registry = opened(trust_store=written(path, store(version=2, roles=roles, expires_at=FAR)))
    reference = push(registry, model, ADA)
    assert judged(registry, reference) == ({}, ids("ada"))
    newer = store(version=3, roles=roles, expires_at=FAR)
    written(path, newer)
    assert judged(registry, reference) == ({}, ids("ada"))
    remembered = (configuration / COPY_NAME).read_bytes()
    assert remembered == path.read_bytes()
    others = TrustStore.parse(newer.to_bytes())
    written(path, store(version=2, roles=roles, expires_at=FAR))
    assert judged(registry, reference)[0] == {"MR209": "refuse"}
    written(path, store(version=4, root=type(others.root)(ids("eve"), 1), roles=roles, expires_at=FAR), "eve")
    assert judged(registry, reference)[0] == {"MR209": "refuse"}
    path.unlink()
    assert judged(registry, reference)[0] == {"MR209": "refuse"}
    assert (configuration / COPY_NAME).read_bytes() == remembered
    assert sorted(place.name for place in configuration.iterdir()) == [FOLDER_NAME, COPY_NAME]
    written(path, newer)
    (configuration / COPY_NAME).write_bytes(remembered[:-9])
    assert judged(registry, reference)[0] == {"MR201": "refuse", "MR209": "refuse"}


@pytest.mark.parametrize(
    ("known", "severity"), [(None, "refuse"), (Enforcement.ENFORCE, "refuse"), (Enforcement.WARN, "warn")]
)
def test_an_expired_trust_store_refuses_unless_the_known_one_only_warns(
    tmp_path: Path, configuration: Path, known: Enforcement | None, severity: str
) -> None:
    """Claim: it is told as MR209, and nothing is remembered of it."""
    path, mode = tmp_path / "t.json", known or Enforcement.WARN
    settings = settings_of(tmp_path, trust_store=str(path))
    if known is not None:
        written(path, store(version=1, mode=mode, expires_at=FAR))
        assert trusted_by(settings).problem is None
    written(path, store(version=2, mode=Enforcement.OFF, expires_at=EARLIER))
    problem = trusted_by(settings).problem
    assert problem is not None
    assert (problem.rule, problem.severity.value) == ("MR209", severity)
    assert EARLIER in problem.message
    assert (configuration / COPY_NAME).exists() is (known is not None)


def test_a_project_does_not_say_whom_its_users_trust(tmp_path: Path) -> None:
    """Claim: a project's file cannot name a trust store."""
    (tmp_path / "modelreg.toml").write_text('trust_store = "t.json"\n')
    with pytest.raises(UsageError, match="trust_store is each user's own"):
        load_settings(environ={}, cwd=tmp_path)
