"""A version in the registry against a signature that was made elsewhere: over its files, and over nothing else of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.client.signature_files import pem, settings_of, shards, signed, statement, trusting
from tests.unit.trust.people import KEYS, role

from modelreg import RefusedError, Registry, SignatureRequest
from modelreg.errors import UsageError
from modelreg.trust.oms_statement import Statement
from modelreg.trust.trust_store import Enforcement, TrustedRegistry


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Registry]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return lambda **flags: Registry.open(settings=settings_of(tmp_path, **flags))


def pushed(registry: Registry, tmp_path: Path) -> str:
    path = tmp_path / "model.h5"
    path.write_bytes(b"hello")
    return registry.push(path, name="fraud", environment="none").reference


@pytest.mark.parametrize(
    "over",
    [statement({"model.h5": b"hello"}), statement({".": b"hello"}), shards({"model.h5": b"hello"}, 2)],
    ids=["its name", "no name", "shards"],
)
def test_a_version_in_the_registry(over: Statement, registry: Callable[..., Registry], tmp_path: Path) -> None:
    """Claim: a bundle over its files counts, and one over others refuses before a byte of the model is read."""
    with registry() as one:
        reference = pushed(one, tmp_path)
        signed(tmp_path, over=over)
        request = SignatureRequest(tmp_path / "model.sig", (pem(tmp_path),))
        found = one.verify(reference, signature=request)
        assert found.signature is not None
        assert found.signature.key_id == KEYS["ada"].public.id
        assert "MR201" in {finding.rule for finding in found.verdict.warnings}  # nobody signed the manifest
        signed(tmp_path, over=statement({"model.h5": b"hullo", "more.txt": b""}))
        with pytest.raises(RefusedError) as caught:
            one.verify(reference, signature=request, progress=lambda _: pytest.fail("the model was read"))
    assert [finding.message for finding in caught.value.verdict.refusals] == [
        "model.h5 does not hold the bytes that were signed",
        "more.txt was signed and is not there",
    ]


def test_a_version_whose_bytes_were_changed(registry: Callable[..., Registry], tmp_path: Path) -> None:
    """Claim: a good signature over the manifest's digests does not stand for the bytes; those are checked as ever."""
    with registry() as one:
        reference = pushed(one, tmp_path)
        (blob,) = [place for place in (tmp_path / "home").rglob("*") if place.is_file() and place.stat().st_size == 5]
        blob.chmod(0o644)
        blob.write_bytes(b"hullo")
        signed(tmp_path, over=statement({"model.h5": b"hello"}))
        with pytest.raises(RefusedError) as caught:
            one.verify(reference, signature=SignatureRequest(tmp_path / "model.sig", (pem(tmp_path),)))
    assert caught.value.exit_status == 8


def test_a_version_is_asked_about_by_its_own_name(registry: Callable[..., Registry], tmp_path: Path) -> None:
    """Claim: the roles are those of the model, of a registry that may be; another name is an error."""
    trust = trusting(tmp_path, roles=(role("fraud", "ada"), role("*", "bob")))
    with registry(trust_store=trust) as one:
        reference = pushed(one, tmp_path)
        request = SignatureRequest(tmp_path / "model.sig")
        signed(tmp_path, over=statement({"model.h5": b"hello"}))
        checks = {"allow": ["MR201"]}  # the manifest is not signed, which an enforced trust store refuses
        found = one.verify(reference, signature=request, **checks)  # type: ignore[arg-type]
        assert found.signature is not None
        signed(tmp_path, KEYS["bob"], over=statement({"model.h5": b"hello"}))
        with pytest.raises(RefusedError, match="bob"):
            one.verify(reference, signature=request, **checks)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="is one of 'fraud', not of 'team/x'"):
            one.verify(reference, signature=SignatureRequest(request.file, model="team/x"), **checks)  # type: ignore[arg-type]
    elsewhere = trusting(
        tmp_path,
        version=2,
        mode=Enforcement.WARN,
        roles=(role("fraud", "ada"),),
        registries=(TrustedRegistry("another"),),
    )
    signed(tmp_path, over=statement({"model.h5": b"hello"}))
    with registry(trust_store=elsewhere) as one, pytest.raises(RefusedError, match=r"in '.*model\.sig'"):
        one.verify(reference, signature=request)
