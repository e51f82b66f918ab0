"""The specification's own vectors, and bundles of other signers: ``tests/vectors/oms/README.md`` says whose."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from modelreg import RefusedError, SignatureRequest, load_settings, verify_files
from modelreg.errors import DocumentError, UntrustedError
from modelreg.trust import oms
from modelreg.trust.certificates import Certificate
from modelreg.trust.keys import PublicKey
from modelreg.trust.oms_statement import Statement

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "oms"
KEY = PublicKey.from_pem((VECTORS / "key.pem").read_bytes())
SIMPLE = {"signme-1": b"signme-1\n", "signme-2": b"signme-2"}
MULTI = {
    "config.json": b'{"model": "test", "version": "1.0"}',
    "weights.bin": b"\xab" * 1024,
    "subdir/adapter.bin": b"\xcd" * 512,
}
MODELS = {
    "valid-key": SIMPLE,
    "valid-key-go": SIMPLE,
    "valid-key-multi-file": MULTI,
    "valid-certificate": SIMPLE,
    "valid-key-1.0.0": {"signme-1": b"signme-1\n"},
}


def bundle(name: str) -> oms.Bundle:
    return oms.Bundle.parse((VECTORS / f"{name}.json").read_bytes())


def request(name: str) -> SignatureRequest:
    return SignatureRequest(VECTORS / f"{name}.json", (str(VECTORS / "key.pem"),))


def model(name: str, folder: Path) -> Path:
    """The files that a vector is about; one by itself is named by its own path."""
    for path, data in MODELS[name].items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder / "signme-1" if name == "valid-key-1.0.0" else folder


@pytest.mark.parametrize("name", MODELS)
def test_a_valid_vector_verifies_over_its_files(name: str, tmp_path: Path) -> None:
    """Claim: with the key of the vector, over exactly the files that it is about; one byte more in one of them refuses."""
    place = model(name, tmp_path / "model")
    settings = load_settings({"home": str(tmp_path / "home")}, environ={}, cwd=tmp_path)
    found = verify_files(place, request(name), settings=settings)
    assert found.signature is not None
    assert found.signature.key_id == KEY.id
    changed = tmp_path / "model" / next(iter(MODELS[name]))
    changed.write_bytes(changed.read_bytes() + b"!")
    with pytest.raises(RefusedError) as caught:
        verify_files(place, request(name), settings=settings)
    assert caught.value.exit_status == 16


def test_the_certificate_leads_to_its_issuer_while_it_is_valid() -> None:
    """Claim: under the issuer that stands in the chain as a named root it verifies, at a time within its life and at no other."""
    made = bundle("valid-certificate")
    roots = [Certificate.from_der(made.chain[1])]
    assert made.verify_with_roots(roots, dt.datetime(2030, 1, 1, tzinfo=dt.UTC)).key == KEY
    for year in (2024, 2036):
        with pytest.raises(UntrustedError, match="leads to no trusted root"):
            made.verify_with_roots(roots, dt.datetime(year, 1, 1, tzinfo=dt.UTC))


@pytest.mark.parametrize("name", ["invalid-missing-envelope", "invalid-missing-verification-material"])
def test_an_invalid_vector_is_no_bundle(name: str) -> None:
    """Claim: what the specification calls invalid is refused as a document."""
    with pytest.raises(DocumentError, match="is missing"):
        bundle(name)


def test_another_predicate_is_refused() -> None:
    """Claim: by its signature, which is not over that payload; and by its type where it was signed."""
    with pytest.raises(UntrustedError):
        bundle("invalid-wrong-predicate").verify_with_keys([KEY])
    payload = bundle("invalid-wrong-predicate").envelope.payload
    assert json.loads(payload)["predicateType"] == "https://example.com/wrong-predicate/v1.0"
    with pytest.raises(DocumentError, match="wrong-predicate"):
        Statement.parse(payload)
