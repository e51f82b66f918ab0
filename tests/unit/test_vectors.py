"""What released versions wrote stays readable, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelreg.digest.streams import Descriptor, ingest
from modelreg.facts import Container
from modelreg.manifest import GOLDEN_SIZE_BYTES_MAX, manifest_digest, parse_manifest
from modelreg.replay.standalone.golden_file import read_golden
from modelreg.replay.standalone.sampling import draw, values

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "vectors"


@pytest.mark.parametrize(
    ("name", "digest"),
    [("manifest-v1-digits.json", "4c7a48806483eafe6336c105f809e84d107e50fe04a1c948befe6c68e218f5cf")],
)
def test_a_released_manifest_keeps_its_digest_and_its_canonical_form(name: str, digest: str) -> None:
    """Claim: the bytes have the digest that was recorded, parse, and are what today's writer makes of them."""
    data = (VECTORS / name).read_bytes()
    assert manifest_digest(data) == digest
    assert parse_manifest(data).to_bytes() == data


def test_the_first_manifest_still_describes_its_file() -> None:
    """Claim: sizes, SHA-256, chunk digests and facts of version 1 mean what they meant."""
    manifest = parse_manifest((VECTORS / "manifest-v1-digits.json").read_bytes())
    with (ROOT / "examples" / "digits.h5").open("rb") as file:
        digest = ingest(Descriptor(file.fileno()), manifest.size_bytes)
    assert manifest.file("digits.h5").digest == digest
    assert manifest.facts.container is Container.KERAS_HDF5
    assert manifest.facts.layers[0].class_name == "Sequential"
    assert dict(manifest.metadata) == {"dataset": "sklearn-digits"}


def test_golden_predictions_of_an_old_keras_stay_readable() -> None:
    """Claim: a golden file of format version 1, written by an interpreter of 2016, has its header and its arrays."""
    header, inputs, outputs = read_golden(VECTORS / "golden-v1-keras-2.2.4-lstm.npz", GOLDEN_SIZE_BYTES_MAX)
    assert (header["samples"], header["tolerance"], header["versions"]["keras"]) == (4, "1e-4", "2.2.4")
    assert [array.shape for array in inputs] == [(4, 5, 3)]
    assert [array.shape for array in outputs] == [(4, 1)]
    assert inputs[0].ravel()[:2].tolist() == values(draw(0, 0, 2), "float32", {}).tolist()
