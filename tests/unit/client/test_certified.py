"""Versions signed with certificates: a root that the user names vouches for the key, while the certificate is valid."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.trust.authority import SIGNS_DATA, Holder, authority, issue
from tests.unit.trust.people import KEYS, store

from modelreg import Purpose, Registry, certified, load_settings
from modelreg.errors import DocumentError, ModelregError, NotFoundError, SigningError, UsageError
from modelreg.manifest import BundleKind
from modelreg.trust import oms
from modelreg.trust.acceptance import sign_trust_store
from modelreg.trust.keys import PrivateKey
from modelreg.trust.signer import Signer

NOW = dt.datetime.now(dt.UTC)
PAST, FUTURE = NOW - dt.timedelta(days=30), NOW + dt.timedelta(days=30)
FAR = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
ROOT = authority("Root", end=FAR)
OTHER_ROOT = authority("Root of others", end=FAR)
BETWEEN = authority("Between", by=ROOT, end=FAR)

Open = Callable[..., Registry]


def leaf(*, by: Holder = BETWEEN, begin: dt.datetime = PAST, end: dt.datetime = FUTURE) -> Holder:
    return issue("Ada", [SIGNS_DATA], by=by, begin=begin, end=end)


ADA = leaf()


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """``opened(ROOT)``: the registry of somebody without keys who trusts those roots."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def made(*roots: Holder, **flags: str) -> Registry:
        given = {"home": str(tmp_path / "home"), "target": "none", "keys": str(tmp_path / "keys"), **flags}
        if roots:
            (tmp_path / "roots.pem").write_bytes(b"".join(root.pem for root in roots))
            given["certificate_roots"] = str(tmp_path / "roots.pem")
        return Registry.open(settings=load_settings(given, environ={}, cwd=tmp_path))

    return made


def chain(tmp_path: Path, *holders: Holder) -> Path:
    path = tmp_path / "chain.pem"
    path.write_bytes(b"".join(holder.pem for holder in holders))
    return path


def pushed(registry: Registry, tmp_path: Path, signer: Signer | None) -> str:
    model = tmp_path / "model.bin"
    model.write_bytes(b"some bytes")
    return registry.push(model, name="fraud", environment="none", signer=signer).reference


def told(registry: Registry, reference: str) -> tuple[dict[str, str], tuple[str, ...]]:
    _, judgement = registry.judge(reference, Purpose.PULL)
    found = {each.rule: each.severity.value for each in judgement.verdict.findings if each.rule.startswith("MR2")}
    return found, judgement.signed_by


def test_a_root_vouches_for_the_key(opened: Open, tmp_path: Path) -> None:
    """Claim: with the root named the version is signed, also where that is demanded; without it nobody is known."""
    signer = certified(ADA.signer, chain(tmp_path, ADA, BETWEEN))
    reference = pushed(opened(), tmp_path, signer)
    assert told(opened(ROOT, require_signature="true"), reference) == ({}, (ADA.signer.public.id,))
    assert told(opened(OTHER_ROOT, ROOT), reference) == ({}, (ADA.signer.public.id,))
    assert told(opened(), reference) == ({"MR201": "warn", "MR203": "warn"}, ())
    found, signers = told(opened(OTHER_ROOT, require_signature="true"), reference)
    assert (found, signers) == ({"MR201": "refuse", "MR203": "warn"}, ())


def test_the_bundle_over_the_files_carries_the_chain(opened: Open, tmp_path: Path) -> None:
    """Claim: it is one that the specification's other readers verify with the root alone."""
    registry = opened()
    registry.sign(pushed(registry, tmp_path, None), certified(ADA.signer, chain(tmp_path, ADA, BETWEEN)))
    entry = registry.resolve("fraud")
    (bundle,) = [each for each in entry.bundles if each.kind == BundleKind.OMS]
    found = oms.Bundle.parse(registry.store.read(bundle.sha256, 1 << 20))
    assert found.chain == (ADA.der, BETWEEN.der)
    assert found.verify_with_roots([ROOT.parsed], NOW).key == ADA.signer.public


@pytest.mark.parametrize("begin_and_end", [(PAST, NOW - dt.timedelta(days=1)), (NOW + dt.timedelta(days=1), FUTURE)])
def test_a_certificate_out_of_its_dates_vouches_for_nothing(
    begin_and_end: tuple[dt.datetime, dt.datetime], opened: Open, tmp_path: Path
) -> None:
    """Claim: by the real date: neither does one sign, nor is what it signed taken."""
    from modelreg.trust.signers.certified import CertifiedSigner

    begin, end = begin_and_end
    expired = leaf(begin=begin, end=end)
    path = chain(tmp_path, expired, BETWEEN)
    with pytest.raises(SigningError, match="is not valid at"):
        certified(expired.signer, path)
    signer = CertifiedSigner.open(expired.signer, path, begin + dt.timedelta(hours=1))
    registry = opened(ROOT)
    found, signers = told(registry, pushed(registry, tmp_path, signer))
    assert (found, signers) == ({"MR201": "warn", "MR203": "warn"}, ())


def test_a_certificate_for_something_else_vouches_for_nothing(opened: Open, tmp_path: Path) -> None:
    """Claim: a web server's certificate of the same root signs no models."""
    server = issue("Server", [], by=BETWEEN, begin=PAST, end=FUTURE)
    registry = opened(ROOT)
    assert (
        told(registry, pushed(registry, tmp_path, certified(server.signer, chain(tmp_path, server, BETWEEN))))[1] == ()
    )


def test_a_chain_lends_its_name_to_no_other_key(opened: Open, tmp_path: Path) -> None:
    """Claim: a manifest signed by a thief's key is not signed because a genuine bundle lies beside it."""
    registry = opened(ROOT)
    reference = pushed(registry, tmp_path, KEYS["eve"])
    from modelreg.client.signing import MadeBundle, make_bundles, sign_version

    _, judgement = registry.judge(reference, Purpose.PULL)
    assert judgement.manifest is not None
    genuine = make_bundles(
        judgement.manifest, judgement.manifest_bytes, certified(ADA.signer, chain(tmp_path, ADA, BETWEEN))
    )
    files: list[MadeBundle] = [made for made in genuine if made.indexed.kind == BundleKind.OMS]
    sign_version(registry.resolve(reference), files, registry.store, registry._index, registry._leases, "eve")
    assert told(registry, reference) == ({"MR201": "warn", "MR203": "warn"}, ())


def test_a_trust_store_decides_alone(opened: Open, tmp_path: Path) -> None:
    """Claim: where one is named, no certificate makes a key count that it does not know."""
    (tmp_path / "trust.json").write_bytes(
        sign_trust_store(store(expires_at="2099-01-01T00:00:00Z"), [KEYS["ada"], KEYS["bob"]])
    )
    reference = pushed(opened(), tmp_path, certified(ADA.signer, chain(tmp_path, ADA, BETWEEN)))
    assert told(opened(ROOT, trust_store=str(tmp_path / "trust.json")), reference)[1] == ()


@pytest.mark.parametrize(
    ("signer", "holders", "error", "complaint"),
    [
        (ADA.signer, (BETWEEN, ADA), SigningError, "is for the key"),
        (KEYS["ada"], (ADA, BETWEEN), SigningError, "is for the key"),
        (PrivateKey.generate("ed25519"), (ADA,), UsageError, "know no ed25519"),
        (ADA.signer, (), DocumentError, r"chain\.pem"),
        (ADA.signer, (ADA,) * 9, DocumentError, "holds 9 certificates"),
    ],
    ids=["wrong order", "another key", "ed25519", "empty", "too long"],
)
def test_what_is_no_chain_of_the_key_is_told(
    signer: PrivateKey, holders: tuple[Holder, ...], error: type[ModelregError], complaint: str, tmp_path: Path
) -> None:
    """Claim: before anything is signed."""
    with pytest.raises(error, match=complaint):
        certified(signer, chain(tmp_path, *holders))


def test_roots_that_cannot_be_read_stop_a_pull(opened: Open, tmp_path: Path) -> None:
    """Claim: "could not check" is not "nobody is trusted"."""
    reference = pushed(opened(), tmp_path, KEYS["ada"])
    with pytest.raises(NotFoundError, match="no file of certificates"):
        told(opened(certificate_roots=str(tmp_path / "nothing.pem")), reference)
