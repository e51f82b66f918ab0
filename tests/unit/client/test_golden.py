"""Golden predictions as a part of a version: kept, fetched, verified and swept like any of its bytes.

The interpreter that computes here is a program of ours that hands out what a real one once made; real ones are in
``tests/integration/test_replay.py``.
"""

from __future__ import annotations

import dataclasses
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelreg import (
    DocumentError,
    GoldenRequest,
    LoadError,
    Mode,
    NotFoundError,
    RefusedError,
    Registry,
    ReplayRequest,
    UsageError,
    replay_folder,
    verify_folder,
)
from modelreg.manifest import (
    GOLDEN_PATH,
    GOLDEN_SIZE_BYTES_MAX,
    ArraySpec,
    Golden,
    IndexEntry,
    Manifest,
    parse_manifest,
)

pytestmark = pytest.mark.slow

Make = Callable[..., Manifest]
ARRAY = ArraySpec("x", (4, 3), "float32")
GOLDEN = Golden("0" * 64, 100, 4, 0, "1e-4", (ARRAY,), (ARRAY,), "3.11.7", "3.15.1", "2.20.0")
VERSIONS = {"python": "3.11.7", "keras": "3.15.1", "numpy": "2.4.6"}
MADE = {
    "outcome": "made",
    "stage": "done",
    "samples": 4,
    "tolerance": "1e-4",
    "versions": VERSIONS,
    "inputs": [{"name": "x", "shape": [4, 3], "dtype": "float32"}],
    "outputs": [{"name": "y", "shape": [4, 1], "dtype": "float32"}],
}
REPORT = {"name": "y", "shape": [4, 1], "dtype": "float32", "values": 4, "beyond": 0, "index": [0, 0], "expected": "1"}
SAME = {
    "outcome": "same",
    "stage": "done",
    "samples": 4,
    "tolerance": "1e-4",
    "versions": VERSIONS,
    "outputs": [REPORT],
}
DIFFERENT = SAME | {"outcome": "different", "outputs": [REPORT | {"beyond": 2, "actual": "2", "worst_relative": "1"}]}
KILLED = {"outcome": "error", "stage": "predict", "versions": VERSIONS}


class Canned:
    """A program that stands for an interpreter: it makes golden predictions of ``data``, and replays as ``answer`` says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = b"golden"
        self.path = folder / "python-of-sorts"
        self.path.write_text(
            '#!/bin/sh\ncase "$(cat request.json)" in\n'
            f"*'\"golden\": null'*) cp {folder}/made result.json; cp {folder}/data golden.npz;;\n"
            f"*) cp {folder}/answer result.json; cp request.json {folder}/request; sh {folder}/end;;\nesac\n"
        )
        self.path.chmod(self.path.stat().st_mode | stat.S_IXUSR)
        (folder / "made").write_text(json.dumps(MADE))
        (folder / "data").write_bytes(self.data)
        self.answers(SAME)

    def answers(self, answer: dict[str, Any], end: str = "") -> None:
        (self.folder / "answer").write_text(json.dumps(answer))
        (self.folder / "end").write_text(end)

    @property
    def request(self) -> Any:
        return json.loads((self.folder / "request").read_text())

    def push(self, registry: Registry, path: Path, **options: Any) -> Any:
        return registry.push(path, name="m", environment="none", golden=GoldenRequest(4, str(self.path)), **options)


@pytest.fixture
def canned(tmp_path: Path) -> Canned:
    (tmp_path / "canned").mkdir()
    return Canned(tmp_path / "canned")


@pytest.fixture
def plain(models: Path) -> Path:
    return models / "py311" / "plain.h5"


# --- the manifest -----------------------------------------------------------------------------------------------------


def test_a_manifest_keeps_what_it_says_of_golden_predictions(make_manifest: Make) -> None:
    """Claim: they survive their own bytes, and a manifest without them has no such key."""
    manifest = make_manifest(golden=GOLDEN)
    assert parse_manifest(manifest.to_bytes()) == manifest
    assert b"golden" not in make_manifest().to_bytes()


def test_an_index_names_the_blob(make_manifest: Make) -> None:
    """Claim: the index entry lists it in the order of paths, so that a sweep keeps it and a changed row is found."""
    files = IndexEntry.of(make_manifest(golden=GOLDEN), "0" * 64).files
    assert (files[0].path, files[0].size_bytes) == (GOLDEN_PATH, 100)
    assert [file.path for file in files] == sorted(file.path for file in files)


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "no digest"},
        {"size_bytes": 0},
        {"size_bytes": GOLDEN_SIZE_BYTES_MAX + 1},
        {"samples": 0},
        {"seed": -1},
        {"tolerance": "much"},
        {"tolerance": "2"},
        {"tolerance": "nan"},
        {"tolerance": "1e-400"},
        {"inputs": ()},
        {"outputs": (ARRAY,) * 1025},
    ],
)
def test_what_cannot_be_golden_predictions_is_a_document_error(change: dict[str, Any]) -> None:
    """Claim: bounds and grammar hold however the record is made."""
    with pytest.raises(DocumentError):
        dataclasses.replace(GOLDEN, **change)
    with pytest.raises(DocumentError):
        ArraySpec("x", (-1,), "float32")


# --- requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"samples": 0},
        {"samples": 1025},
        {"samples": 4, "seed": 2**53},
        {"samples": 4, "tolerance": "-1"},
        {"samples": 4, "timeout_s": 0},
        {"samples": 4, "timeout_s": float("nan")},
        {"samples": 4, "custom_objects": ("no-module",)},
        {"samples": 4, "custom_objects": ("missing.py",)},
    ],
)
def test_a_request_that_cannot_be_meant_is_a_usage_error(options: dict[str, Any]) -> None:
    """Claim: numbers out of bounds and modules that are none are told before anything runs."""
    with pytest.raises(UsageError):
        GoldenRequest(**options)


# --- one round --------------------------------------------------------------------------------------------------------


def test_golden_predictions_make_the_round(registry: Registry, canned: Canned, plain: Path, tmp_path: Path) -> None:
    """Claim: pushed, shown, kept by a sweep, pulled beside the model, and replayed from both places."""
    pushed = canned.push(registry, plain)
    golden = registry.show("m", target="none").manifest.golden
    assert golden is not None
    assert pushed.golden == golden
    assert (golden.samples, golden.tolerance, golden.keras, golden.size_bytes) == (4, "1e-4", "3.15.1", 6)
    assert registry.gc().blobs == ()
    registry.pull("m", tmp_path / "out", target="none")
    assert (tmp_path / "out" / GOLDEN_PATH).read_bytes() == canned.data
    request = ReplayRequest(str(canned.path), tolerance="0.5", timeout_s=50)
    for replayed in (registry.replay("m", request), replay_folder(tmp_path / "out", request)):
        assert (replayed.reference, replayed.digest) == ("m:1", pushed.digest)
        assert replayed.run.outcome == "same"
        assert replayed.verdict.exit == 0
        assert canned.request["tolerance"] == "0.5"
    assert not Path(canned.request["model"]).is_relative_to(tmp_path / "home")


def test_a_rehearsed_push_makes_them_and_keeps_nothing(registry: Registry, canned: Canned, plain: Path) -> None:
    """Claim: with dry_run it is found out whether they can be made, and nothing is stored."""
    assert canned.push(registry, plain, dry_run=True).golden.samples == 4
    assert list(registry.store.blobs()) == []


def test_a_version_without_them_cannot_be_replayed(
    registry: Registry, canned: Canned, plain: Path, tmp_path: Path
) -> None:
    """Claim: "could not check" is never "passed": replay, pull and verify all say that there are none."""
    registry.push(plain, name="m", environment="none")
    request = ReplayRequest(str(canned.path))
    for call in (
        lambda: registry.replay("m", request),
        lambda: registry.pull("m", tmp_path / "out", target="none", replay=request),
        lambda: registry.verify("m", target="none", replay=request),
    ):
        with pytest.raises(NotFoundError, match="no golden predictions"):
            call()
    assert not (tmp_path / "out").exists()


# --- corruption -------------------------------------------------------------------------------------------------------


def damage_blob(registry: Registry, sha256: str, home: Path, data: bytes | None) -> None:
    (blob,) = (path for path in home.rglob(sha256) if path.is_file())
    blob.unlink()
    if data is not None:
        blob.write_bytes(data)


@pytest.mark.parametrize(("data", "rule"), [(None, "MR103"), (b"g", "MR103"), (b"Golden", "MR105")])
def test_a_damaged_golden_blob_is_corrupt(
    registry: Registry, canned: Canned, plain: Path, tmp_path: Path, data: bytes | None, rule: str
) -> None:
    """Claim: missing, short and changed bytes refuse verify, pull and replay, and nothing appears."""
    golden = canned.push(registry, plain).golden
    damage_blob(registry, golden.sha256, tmp_path / "home", data)
    for call in (
        lambda: registry.verify("m", target="none"),
        lambda: registry.pull("m", tmp_path / "out", target="none"),
        lambda: registry.replay("m", ReplayRequest(str(canned.path))),
    ):
        with pytest.raises(RefusedError) as caught:
            call()
        assert [finding.rule for finding in caught.value.verdict.refusals] == [rule]
        assert caught.value.exit_status == 8
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("data", "rule"), [(None, "MR103"), (b"goldens", "MR103"), (b"Golden", "MR105")])
def test_a_pulled_golden_file_is_checked(
    registry: Registry, canned: Canned, plain: Path, tmp_path: Path, data: bytes | None, rule: str
) -> None:
    """Claim: ``verify PATH`` checks it with no registry, and a replay of the folder does not start on other numbers."""
    canned.push(registry, plain)
    registry.pull("m", tmp_path / "out", target="none")
    kept = tmp_path / "out" / GOLDEN_PATH
    kept.unlink()
    if data is not None:
        kept.write_bytes(data)
    for call in (
        lambda: verify_folder(tmp_path / "out", target="none"),
        lambda: replay_folder(tmp_path / "out", ReplayRequest(str(canned.path))),
    ):
        with pytest.raises(RefusedError) as caught:
            call()
        assert [finding.rule for finding in caught.value.verdict.refusals] == [rule]


def test_golden_predictions_of_nobody_are_swept(registry: Registry, canned: Canned, plain: Path) -> None:
    """Claim: the blob of a push that died before its commit is an orphan."""
    registry.store.put(canned.data)
    assert len(registry.gc().blobs) == 1


# --- verdicts ---------------------------------------------------------------------------------------------------------


def test_other_numbers_refuse_and_nothing_appears(
    registry: Registry, canned: Canned, plain: Path, tmp_path: Path
) -> None:
    """Claim: MR440 (exit 64) names output, place and both values; a pull with replay leaves no folder."""
    canned.push(registry, plain)
    canned.answers(DIFFERENT)
    request = ReplayRequest(str(canned.path))
    replayed = registry.replay("m", request)
    (refusal,) = replayed.verdict.refusals
    assert (refusal.rule, replayed.verdict.exit) == ("MR440", 64)
    assert "output 'y': 2 of 4 values differ" in refusal.message
    assert "[0, 0]: 1 became 2" in refusal.message
    for call in (
        lambda: registry.pull("m", tmp_path / "out", target="none", replay=request),
        lambda: registry.verify("m", target="none", replay=request),
    ):
        with pytest.raises(RefusedError) as caught:
            call()
        assert [finding.rule for finding in caught.value.verdict.refusals] == ["MR440"]
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name or path.name.startswith(".modelreg")] == []


def test_what_could_not_be_computed_refuses_a_replay_and_warns_a_pull(
    registry: Registry, canned: Canned, plain: Path, tmp_path: Path
) -> None:
    """Claim: a death is MR441: a refusal of ``replay``, a warning of ``pull --replay``, a refusal of it under verify."""
    canned.push(registry, plain)
    canned.answers(KILLED, "kill -SEGV $PPID")
    request = ReplayRequest(str(canned.path))
    replayed = registry.replay("m", request)
    assert [(finding.rule, finding.severity) for finding in replayed.verdict.refusals] == [("MR441", "refuse")]
    assert "while predicting, the interpreter was killed by signal 11 (SIGSEGV)" in replayed.verdict.refusals[0].message
    with pytest.raises(RefusedError):
        registry.pull("m", tmp_path / "out", target="none", replay=request, mode=Mode.VERIFY)
    pulled = registry.pull("m", tmp_path / "out", target="none", replay=request)
    assert "MR441" in {finding.rule for finding in pulled.verdict.warnings}
    assert pulled.replayed is not None
    assert pulled.replayed.outcome == "killed"


def test_an_interpreter_without_keras_is_no_verdict(registry: Registry, canned: Canned, plain: Path) -> None:
    """Claim: not to have been able to begin is an error of exit status 1, not a statement about the model."""
    canned.push(registry, plain)
    canned.answers({"outcome": "error", "stage": "import", "error": "Trouble", "message": "no keras"})
    with pytest.raises(LoadError, match="cannot compute predictions: no keras"):
        registry.replay("m", ReplayRequest(str(canned.path)))


def test_a_model_that_cannot_be_run_is_not_pushed(registry: Registry, canned: Canned, plain: Path) -> None:
    """Claim: the reason is told, and there is neither version nor blob."""
    made = {"outcome": "error", "stage": "load", "error": "ValueError", "message": "Unknown layer: X"}
    (canned.folder / "made").write_text(json.dumps(made))
    with pytest.raises(LoadError, match="nothing was pushed: ValueError: Unknown layer: X"):
        canned.push(registry, plain)
    assert registry.list() == ()
    assert list(registry.store.blobs()) == []


@pytest.mark.parametrize(
    ("path", "rule"),
    [("tf220/plain.tflite", "MR412"), ("onnx/plain.onnx", "MR412"), ("py311/plain.weights.h5", "MR410")],
)
def test_what_keras_cannot_load_has_none(
    registry: Registry, canned: Canned, models: Path, path: str, rule: str
) -> None:
    """Claim: models of other runtimes and bare weights are refused by their rule, and no interpreter is started."""
    with pytest.raises(RefusedError, match="no golden predictions") as caught:
        canned.push(registry, models / path)
    assert [finding.rule for finding in caught.value.verdict.refusals] == [rule]
    assert registry.list() == ()


def test_stored_bytecode_runs_only_where_it_is_allowed(
    registry: Registry, canned: Canned, models: Path, tmp_path: Path
) -> None:
    """Claim: neither push nor replay, under any mode, starts an interpreter on a Lambda unless MR301 is allowed."""
    path = models / "py311" / "lambda.h5"
    with pytest.raises(RefusedError, match="predicting would execute it") as caught:
        canned.push(registry, path)
    assert (caught.value.exit_status, caught.value.hint) == (32, "--allow MR301 if you trust the author")
    canned.push(registry, path, allow=["MR301"])
    request = ReplayRequest(str(canned.path))
    for mode in Mode:
        with pytest.raises(RefusedError):
            registry.replay("m", request, mode=mode)
    pulled = registry.pull("m", tmp_path / "out", target="none", replay=request, mode=Mode.NO_VERIFY)
    assert pulled.replayed is None
    assert not (canned.folder / "request").exists()
    assert registry.replay("m", request, allow=["MR301"]).run.outcome == "same"
    assert canned.request["safe_mode"] is False


def test_a_model_without_bytecode_is_loaded_in_safe_mode_all_the_same(
    registry: Registry, canned: Canned, plain: Path
) -> None:
    """Claim: Keras is asked to refuse bytecode wherever nobody allowed any, also where none was found."""
    canned.push(registry, plain)
    registry.replay("m", ReplayRequest(str(canned.path)))
    assert canned.request["safe_mode"] is True


def test_what_a_replayed_model_writes_beside_itself_does_not_appear(
    registry: Registry, canned: Canned, plain: Path, tmp_path: Path
) -> None:
    """Claim: the bytes are checked again after the model ran: a file that it changed refuses the pull."""
    canned.push(registry, plain)
    canned.answers(SAME, f"chmod u+w {tmp_path}/.modelreg-*/*.h5; printf x >> $(ls {tmp_path}/.modelreg-*/*.h5)")
    with pytest.raises(RefusedError) as caught:
        registry.pull("m", tmp_path / "out", target="none", replay=ReplayRequest(str(canned.path)))
    assert [finding.rule for finding in caught.value.verdict.refusals] == ["MR103"]
    assert not (tmp_path / "out").exists()
