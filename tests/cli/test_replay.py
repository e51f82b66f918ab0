"""``push --golden``, ``replay`` and ``--replay`` as a user sees them."""

from __future__ import annotations

import importlib.util
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

VECTOR = Path(__file__).parents[1] / "vectors" / "golden-v1-keras-2.2.4-lstm.npz"
MADE = {
    "outcome": "made",
    "stage": "done",
    "samples": 4,
    "tolerance": "1e-4",
    "versions": {"python": "3.6.15", "keras": "2.2.4", "tensorflow": "1.12.3"},
    "inputs": [{"name": "input_1", "shape": [4, 5, 3], "dtype": "float32"}],
    "outputs": [{"name": "dense_1", "shape": [4, 1], "dtype": "float32"}],
}
DIFFERENT = {
    "outcome": "different",
    "stage": "done",
    "samples": 4,
    "tolerance": "1e-4",
    "versions": {"python": "3.11.7", "keras": "3.15.1"},
    "outputs": [
        {
            "name": "dense_1\u001b[2J",
            "shape": [4, 1],
            "dtype": "float32",
            "values": 4,
            "beyond": 4,
            "index": [2, 0],
            "expected": "0.25",
            "actual": "0.5",
            "worst_absolute": "0.25",
            "worst_relative": "0.9",
        }
    ],
}


@pytest.fixture
def python(tmp_path: Path) -> str:
    """A program that stands for an interpreter: it hands out a golden file, and says that it computes other numbers."""
    (tmp_path / "made").write_text(json.dumps(MADE))
    (tmp_path / "different").write_text(json.dumps(DIFFERENT))
    path = tmp_path / "python-of-sorts"
    path.write_text(
        '#!/bin/sh\ncase "$(cat request.json)" in\n'
        f"*'\"golden\": null'*) cp {tmp_path}/made result.json; cp {VECTOR} golden.npz;;\n"
        f"*) cp {tmp_path}/different result.json;;\nesac\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_other_numbers_are_told_with_their_place(run: Callable[..., Any], models: Path, python: str) -> None:
    """Push tells of the golden predictions, show lists them, replay refuses with a table, and no escape gets through."""
    path = str(models / "py36tf1/lstm.h5")
    pushed = run("push", path, "--name", "m", "--env", "none", "--golden", "4", "--python", python)
    golden = "4 samples, 1 output, to 1e-4, by Keras 2.2.4 on Python 3.6.15"
    assert pushed.out.splitlines()[-1] == f"golden predictions: {golden}"
    assert golden in run("show", "m").out
    told = run("replay", "m", "--python", python)
    assert told.status == 64
    assert "replayed: other numbers (4 samples, to 1e-4) by Keras 3.15.1, Python 3.11.7" in told.out
    assert told.out.splitlines()[-1].split()[-6:] == ["0.25", "0.9", "[2,", "0]", "0.25", "0.5"]
    assert "refused: MR440 incompatible: output" in told.err
    assert "\x1b[2J" not in told.out + told.err
    assert run("replay", "m", "--python", python, "-q").out == "different\n"
    assert run("replay", "m", "--python", python, "--allow", "MR440").status == 0


def test_an_answer_is_one_object(run: Callable[..., Any], models: Path, python: str) -> None:
    """``--json`` of each command that knows golden predictions has them, and the run with every output's numbers."""
    path = str(models / "py36tf1/lstm.h5")
    pushed = run("push", path, "--name", "m", "--env", "none", "--golden", "4", "--python", python, "--json").json
    assert (pushed["golden"]["samples"], pushed["golden"]["keras"]) == (4, "2.2.4")
    told = run("replay", "m", "--python", python, "--json")
    assert (told.status, told.err, told.json["schema"]) == (64, "", "modelreg.replay/v1")
    assert (told.json["run"]["outcome"], told.json["verdict"]["exit"]) == ("different", 64)
    assert told.json["run"]["outputs"][0]["worst_absolute"] == "0.25"
    assert told.json["golden"] == pushed["golden"]
    pulled = run("pull", "m", "-o", "out", "--json").json
    assert (pulled["replay"], pulled["files"]) == (None, ["lstm.h5"])
    verified = run("verify", "m", "--replay", "--python", python, "--allow", "MR440", "--json").json
    assert verified["replay"]["outcome"] == "different"


def test_a_pull_with_replay_refuses_and_leaves_nothing(run: Callable[..., Any], models: Path, python: str) -> None:
    """``pull --replay`` and ``verify --replay`` end with 64, and the folder is not there."""
    path = str(models / "py36tf1/lstm.h5")
    run("push", path, "--name", "m", "--env", "none", "--golden", "4", "--python", python)
    for command in (("pull", "m", "-o", "out"), ("verify", "m")):
        told = run(*command, "--replay", "--python", python)
        assert (told.status, "MR440" in told.err) == (64, True)
    assert list(Path().iterdir()) == []


@pytest.mark.tensorflow
@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs the tensorflow extra")
def test_a_real_keras_replays_its_own_predictions(spawn: Callable[..., Any], models: Path) -> None:
    """The main road, as a new user would go it: push --golden, replay, pull --replay, replay of the folder."""
    path = str(models / "py311/plain.keras")
    assert "golden predictions: 2 samples" in spawn("push", path, "--name", "m", "--golden", "2").out
    told = spawn("replay", "m")
    assert (told.status, "replayed: the same (2 samples, to 1e-4)" in told.out) == (0, True)
    assert spawn("pull", "m", "-o", "out", "--replay", "--target", "none").status == 0
    assert spawn("replay", "out", "-q").out == "same\n"
