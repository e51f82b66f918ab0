"""Corruption: every damaged byte, length and row is refused with exit bit 8, before the destination and before Keras.

For each real file the stored blobs and the stored manifest are flipped, truncated, swapped and lengthened, and each
column of the database is changed; nothing of it may get through.
"""

from __future__ import annotations

import importlib.util
import json
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from modelreg import RefusedError, Registry
from modelreg.errors import LoadError
from modelreg.findings import Verdict

pytestmark = pytest.mark.slow

ARTIFACTS = {
    "HDF5 of Keras 2": "py38/plain.h5",
    "HDF5 of Keras 3": "py311/plain.h5",
    "HDF5 with custom layer": "py311/custom_layer.h5",
    "keras archive of Keras 2": "py38/plain.keras",
    "keras archive of Keras 3": "py311/plain.keras",
    "weights of Keras 3": "py311/plain.weights.h5",
    "weights of Keras 2": "py38/plain_weights_only.h5",
    "SavedModel of Keras 2": "py38/savedmodel_plain",
    "SavedModel of Keras 3": "py311/savedmodel_export",
    "TensorFlow Lite": "tf220/plain.tflite",
    "ONNX": "onnx/plain.onnx",
}
TRIED = "mutations tried"
THROUGH = "mutations not refused"

LOADER = """
import json, sys
from modelreg import ModelregError, Registry
for line in sys.stdin:
    reference, home = line.strip().split(" ", 1)
    with Registry.open(home=home, create=False) as registry:
        try:
            registry.load(reference, target="none", provides=("Twice", "custom_act"))
            code, status = "loaded", 0
        except ModelregError as error:
            code, status = error.code, error.exit_status
    print(json.dumps([code, status, sorted({"keras", "tensorflow"} & set(sys.modules))]), flush=True)
"""


@dataclass(frozen=True)
class Mutation:
    name: str
    data: bytes
    changes_size: bool = False


def mutations(data: bytes) -> Iterator[Mutation]:
    """A byte flipped in and a cut at each tenth, two chunks swapped, a byte more; each differs from ``data``."""
    tenths = sorted({len(data) * tenth // 10 for tenth in range(10)})
    for place in tenths:
        flipped = bytearray(data)
        inside = min(place + len(data) // 20, len(data) - 1)
        flipped[inside] ^= 0x01
        yield Mutation(f"byte {inside} flipped", bytes(flipped))
    for place in tenths:
        yield Mutation(f"cut at {place}", data[:place], changes_size=True)
    size = 4096 if len(data) > 8192 else len(data) // 2
    swapped = data[size : 2 * size] + data[:size] + data[2 * size :]
    if swapped != data:
        yield Mutation("two chunks swapped", swapped)
    yield Mutation("a byte appended", data + b"\0", changes_size=True)


@dataclass
class Gate:
    """Everything that could let damaged bytes out: pull, verify, and load in a process without Keras so far."""

    registry: Registry
    loader: subprocess.Popen[str]
    folder: Path
    tried: int = 0
    refused: int = 0

    def check(self, reference: str, what: str) -> Verdict:
        """Assert that ``reference`` is refused as corrupt by every way out, and give the verdict of the pull."""
        self.tried += 1
        with pytest.raises(RefusedError) as pulled:
            self.registry.pull(reference, self.folder / "out", target="none")
        assert list(self.folder.iterdir()) == [], what
        with pytest.raises(RefusedError) as verified:
            self.registry.verify(reference, target="none")
        for caught in (pulled, verified):
            assert caught.value.exit_status & 8, f"{what}: {caught.value}"
        code, status, loaded = self._load(reference)
        assert code == "refused" or (code == LoadError.code and not importlib.util.find_spec("keras")), (what, code)
        assert status in range(1, 125)
        assert loaded == [], what
        self.refused += 1
        return pulled.value.verdict

    def _load(self, reference: str) -> tuple[str, int, list[str]]:
        assert self.loader.stdin is not None
        assert self.loader.stdout is not None
        self.loader.stdin.write(f"{reference} {self.registry.settings.home.value}\n")
        self.loader.stdin.flush()
        code, status, loaded = json.loads(self.loader.stdout.readline())
        return code, status, loaded


@pytest.fixture(scope="module")
def loader(start: Callable[..., subprocess.Popen[str]]) -> Iterator[subprocess.Popen[str]]:
    """A process that loads what it is told to, for as long as it gets nothing to load."""
    started = start(LOADER)
    yield started
    started.communicate(timeout=30)


@pytest.fixture
def gate(
    registry: Registry, loader: subprocess.Popen[str], tmp_path: Path, tally: Callable[[str, int], None]
) -> Iterator[Gate]:
    folder = tmp_path / "destination"
    folder.mkdir()
    made = Gate(registry, loader, folder)
    yield made
    tally(TRIED, made.tried)
    tally(THROUGH, made.tried - made.refused)


def blob_path(registry: Registry, sha256: str) -> Path:
    return Path(registry.settings.storage_url.value.removeprefix("file://"), "blobs", "sha256", sha256[:2], sha256)


def damaged_in_turn(path: Path) -> Iterator[Mutation]:
    """Each mutation of the file at ``path`` while it is in place; the right bytes are back at the end."""
    data = path.read_bytes()
    path.chmod(0o600)
    for mutation in mutations(data):
        path.write_bytes(mutation.data)
        yield mutation
    path.write_bytes(data)


def test_the_plan_is_large_enough(models: Path) -> None:
    """Claim: over all formats the plan has far more than 200 mutations, and each really changes the bytes."""
    count = 0
    for name in ARTIFACTS.values():
        paths = [models / name] if (models / name).is_file() else [p for p in (models / name).rglob("*") if p.is_file()]
        for path in paths:
            planned = list(mutations(path.read_bytes()))
            assert all(mutation.data != path.read_bytes() for mutation in planned)
            assert len(planned) >= 21
            count += len(planned)
    assert count >= 300


@pytest.mark.parametrize("name", ARTIFACTS.values(), ids=list(ARTIFACTS))
def test_no_damaged_blob_gets_out(gate: Gate, models: Path, name: str) -> None:
    """Claim: each mutation of each stored file is refused with bit 8; put right, the model comes out as it went in."""
    source = models / name
    pushed = gate.registry.push(source, name="m", environment="none")
    entry = gate.registry.resolve("m")
    for file in entry.files:
        if file.size_bytes:
            for mutation in damaged_in_turn(blob_path(gate.registry, file.sha256)):
                verdict = gate.check("m", f"{file.path}: {mutation.name}")
                rule = "MR103" if mutation.changes_size else "MR104"
                assert {finding.rule for finding in verdict.refusals} == {rule}, mutation.name
                assert file.path in verdict.refusals[0].message
    assert gate.tried >= 21 * sum(file.size_bytes > 0 for file in entry.files)
    pulled = gate.registry.pull("m", gate.folder / "out", target="none")
    assert len(pulled.files) == pushed.files
    for path in pulled.files:
        original = source if source.is_file() else source / path
        assert (pulled.folder / path).read_bytes() == original.read_bytes()


@pytest.mark.parametrize("name", ["py311/plain.h5", "py38/savedmodel_plain"])
def test_no_damaged_manifest_gets_out(gate: Gate, models: Path, name: str) -> None:
    """Claim: each mutation of the stored manifest is refused as MR101, whatever it would have said."""
    digest = gate.registry.push(models / name, name="m", environment="none").digest
    assert digest is not None
    for mutation in damaged_in_turn(blob_path(gate.registry, digest)):
        verdict = gate.check("m", mutation.name)
        assert [finding.rule for finding in verdict.findings] == ["MR101"]
    assert gate.tried >= 21


@pytest.mark.parametrize("name", ["py311/plain.keras", "py38/savedmodel_plain"])
def test_a_missing_blob_or_manifest_does_not_pass_for_a_model(gate: Gate, models: Path, name: str) -> None:
    """Claim: a blob that is gone, be it a file's or the manifest's, is corruption too."""
    gate.registry.push(models / name, name="m", environment="none")
    entry = gate.registry.resolve("m")
    for sha256 in (entry.digest, *{file.sha256 for file in entry.files}):
        path = blob_path(gate.registry, sha256)
        hidden = path.with_name("hidden")
        path.rename(hidden)
        gate.check("m", f"{sha256} removed")
        hidden.rename(path)
    assert gate.registry.verify("m", target="none", full=True).verdict.exit == 0


ROWS = {
    "digest of nothing": "UPDATE versions SET digest = '{zeros}' WHERE version = 2",
    "digest that is none": "UPDATE versions SET digest = 'not a digest' WHERE version = 2",
    "digest of a file": "UPDATE versions SET digest = (SELECT sha256 FROM files LIMIT 1) WHERE version = 2",
    "digest of another version": "UPDATE versions SET digest = '{first}' WHERE version = 2",
    "another number": "UPDATE versions SET version = 7 WHERE version = 2",
    "another model": "UPDATE models SET name = 'other' WHERE name = 'm'",
    "another time": "UPDATE versions SET created_at = '2020-01-01T00:00:00Z' WHERE version = 2",
    "another pusher": "UPDATE versions SET pushed_by = 'eve' WHERE version = 2",
    "another container": "UPDATE versions SET container = 'onnx' WHERE version = 2",
    "a container that is none": "UPDATE versions SET container = '' WHERE version = 2",
    "another Keras": "UPDATE versions SET keras_version = '1.0' WHERE version = 2",
    "no Keras": "UPDATE versions SET keras_version = NULL WHERE version = 2",
    "another size": "UPDATE versions SET size_bytes = size_bytes + 1 WHERE version = 2",
    "a size that is no number": "UPDATE versions SET size_bytes = 'many' WHERE version = 2",
    "a file renamed": "UPDATE files SET path = 'evil.h5' WHERE version_id = 2",
    "a file that climbs": "UPDATE files SET path = '../../evil.h5' WHERE version_id = 2",
    "a file of another size": "UPDATE files SET size_bytes = 1 WHERE version_id = 2",
    "a file of another digest": "UPDATE files SET sha256 = '{zeros}' WHERE version_id = 2",
    "a file of another version": "UPDATE files SET sha256 = '{other}' WHERE version_id = 2",
    "a file more": "INSERT INTO files VALUES (2, 'more.h5', 1, '{zeros}')",
    "a file less": "DELETE FROM files WHERE version_id = 2",
}


@pytest.mark.parametrize("change", ROWS.values(), ids=list(ROWS))
def test_no_changed_row_gets_out(gate: Gate, models: Path, tmp_path: Path, change: str) -> None:
    """Claim: a row changed behind modelreg's back is corruption in whichever column, never a wrong model."""
    first = gate.registry.push(models / "py38" / "plain.h5", name="m", environment="none")
    gate.registry.push(models / "py311" / "plain.h5", name="m", environment="none")
    other = gate.registry.resolve("m:1").files[0].sha256
    connection = sqlite3.connect(tmp_path / "home" / "registry.db")
    with connection:
        if "{first}" in change:
            connection.execute("UPDATE versions SET digest = 'moved away' WHERE version = 1")
        done = connection.execute(change.format(zeros="0" * 64, first=first.digest, other=other))
        assert done.rowcount == 1
    connection.close()
    gate.check("other" if "'other'" in change else "m", change)


@pytest.mark.parametrize("name", ["py38/plain.h5", "py311/plain.h5", "py311/plain.keras", "py311/compiled_trained.h5"])
def test_a_flipped_byte_is_told_by_its_offset_and_its_tensor(gate: Gate, models: Path, name: str) -> None:
    """Claim: for each tensor, a byte flipped inside it is reported with the chunk it lies in and the tensor's name."""
    gate.registry.push(models / name, name="m", environment="none")
    manifest = gate.registry.show("m", target="none").manifest
    (entry,) = manifest.files
    path = blob_path(gate.registry, entry.sha256)
    data = path.read_bytes()
    path.chmod(0o600)
    stored = [tensor for tensor in manifest.facts.tensors if tensor.extents]
    assert len(stored) >= 4
    for tensor in stored:
        extent = tensor.extents[-1]
        place = extent.offset + extent.size_bytes // 2
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x40]) + data[place + 1 :])
        (finding,) = gate.check("m", tensor.path).refusals
        chunk = place // entry.chunk_size_bytes * entry.chunk_size_bytes
        end = min(chunk + entry.chunk_size_bytes, entry.size_bytes)
        assert finding.rule == "MR104"
        assert finding.where == f"{entry.path}, offset {chunk}"
        assert f"bytes {chunk:,} to {end - 1:,} differ" in finding.message
        hit = manifest.facts.tensors_at(entry.path, chunk, end - chunk)
        assert tensor in hit
        assert repr(hit[0].path) in finding.message
        assert repr(tensor.path) in finding.message or f"and {len(hit) - 4} more" in finding.message


def test_pushing_the_same_file_again_repairs_a_damaged_blob(registry: Registry, models: Path, tmp_path: Path) -> None:
    """Claim: the fix that the finding names works: after a second push both versions are whole."""
    source = models / "py311" / "plain.keras"
    registry.push(source, name="m", environment="none")
    path = blob_path(registry, registry.resolve("m").files[0].sha256)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(RefusedError) as caught:
        registry.verify("m", target="none")
    assert "push the same file again" in (caught.value.hint or "")
    registry.push(source, name="m", environment="none")
    for version in (1, 2):
        assert registry.verify(f"m:{version}", target="none", full=True).verdict.exit == 0


def test_a_pulled_folder_that_was_changed_is_refused(registry: Registry, models: Path, tmp_path: Path) -> None:
    """Claim: the same mutations in a pulled folder are found offline, with no registry at hand."""
    from modelreg import verify_folder

    registry.push(models / "py38" / "savedmodel_plain", name="m", environment="none")
    folder = registry.pull("m", tmp_path / "out", target="none").folder
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and ".modelreg" not in path.parts):
        for mutation in damaged_in_turn(path):
            with pytest.raises(RefusedError) as caught:
                verify_folder(folder, target="none")
            assert caught.value.exit_status == 8, mutation.name
    assert verify_folder(folder, target="none", full=True).verdict.exit == 0
    (folder / "variables" / "more").write_text("x")
    with pytest.raises(RefusedError, match="not in the manifest"):
        verify_folder(folder, target="none")
