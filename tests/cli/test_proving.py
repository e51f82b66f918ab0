"""``repair --prove`` as a user sees it; the interpreters answer what they are told, so that every outcome can be had.

``tests/integration/test_repair.py`` has the same with real Kerases.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs the tensorflow extra")

GOLDEN = Path(__file__).parents[1] / "vectors" / "golden-v1-keras-2.2.4-lstm.npz"
MADE = {
    "outcome": "made",
    "stage": "done",
    "samples": 4,
    "tolerance": "1e-4",
    "versions": {"python": "3.8.18", "keras": "2.13.1"},
    "inputs": [{"name": "input_1", "shape": [4, 5, 3], "dtype": "float32"}],
    "outputs": [{"name": "dense_1", "shape": [4, 1], "dtype": "float32"}],
}
REPORT = {
    "name": "dense_1",
    "shape": [4, 1],
    "dtype": "float32",
    "values": 4,
    "beyond": 0,
    "index": [2, 0],
    "expected": "0.25",
    "actual": "0.25",
    "worst_absolute": "0",
    "worst_relative": "0",
}
SAME = {
    "outcome": "same",
    "stage": "done",
    "samples": 4,
    "tolerance": "1e-4",
    "versions": {"python": "3.11.7", "keras": "3.15.1"},
    "outputs": [REPORT],
}
DIFFERENT = SAME | {
    "outcome": "different",
    "outputs": [REPORT | {"beyond": 3, "actual": "0.5", "worst_absolute": "0.25", "worst_relative": "0.9"}],
}
BROKEN = {"outcome": "error", "stage": "load", "error": "ValueError", "message": "no such layer", "versions": {}}


Run = Callable[..., Any]
Make = Callable[..., str]
LAST = "kill -SEGV $$"


@pytest.fixture
def model(models: Path, home: Path) -> str:
    """A model that this interpreter's Keras loads, so that the rules let both sides run."""
    shutil.copy(models / "py311/plain.h5", home / "plain.h5")
    return "plain.h5"


@pytest.fixture
def python(tmp_path: Path) -> Make:
    """A program that is this interpreter, but for what a model predicts: that is ``answer``, after which it may die."""

    def make(answer: object, last: str = "") -> str:
        path = tmp_path / f"python-{len(list(tmp_path.iterdir()))}"
        (tmp_path / f"{path.name}.json").write_text(json.dumps(answer))
        deed = f"cp '{path}.json' result.json; cp '{GOLDEN}' golden.npz; {last}"
        path.write_text(
            f'#!/bin/sh\ncase "$*" in\n*modelreg_replay*) {deed} ;;\n*) exec "{sys.executable}" "$@";;\nesac\n'
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return make


def proved(run: Run, model: str, before: str, after: str, *more: str) -> Any:
    return run(
        "repair", model, "-o", "out.h5", "--target", "current", "--prove", "--python", before, "--python", after, *more
    )


def test_the_same_predictions_are_a_proof(run: Run, model: str, python: Make) -> None:
    """Claim: each side has its own interpreter, and the answer says which Keras computed what."""
    told = proved(run, model, python(MADE), python(SAME))
    assert (told.status, "MR44" in told.err) == (0, False)
    assert "proved: the same predictions, 4 drawn inputs, to 1e-4 of their scale" in told.out
    assert "    plain.h5 by Keras 2.13.1, Python 3.8.18" in told.out
    assert "    out.h5 by Keras 3.15.1, Python 3.11.7" in told.out
    assert Path("out.h5").read_bytes() == Path(model).read_bytes()


def test_other_predictions_refuse_and_leave_nothing(run: Run, model: str, python: Make) -> None:
    """Claim: exit status 64, the output is named with the worst difference, and there is no OUT unless it is allowed."""
    sides = python(MADE), python(DIFFERENT)
    told = proved(run, model, *sides)
    assert told.status == 64
    assert "refused: MR440 incompatible: output 'dense_1': 3 of 4 values differ from what plain.h5 predicts" in told.err
    assert "plain.h5 by Keras 2.13.1 on Python 3.8.18, out.h5 by Keras 3.15.1 on Python 3.11.7" in told.err
    assert "disproved: other predictions" in told.out
    assert "the proof refuses it for Keras 3.15.1; nothing was written" in told.out
    assert [path.name for path in Path().iterdir()] == [model]
    assert proved(run, model, *sides, "--allow", "MR440").status == 0
    assert Path("out.h5").exists()


def test_a_result_that_does_not_load_refuses(run: Run, model: str, python: Make) -> None:
    """Claim: where the rules let it pass and Keras does not, Keras is right: 64, also for a death, and no OUT."""
    for last, reason in (("", "while loading, ValueError: no such layer"), (LAST, "killed by signal 11 (SIGSEGV)")):
        told = proved(run, model, python(MADE), python(BROKEN, last))
        assert told.status == 64
        assert "refused: MR441" in told.err
        assert reason in told.err
        assert not Path("out.h5").exists()


def test_what_could_not_be_compared_is_not_proved(run: Run, model: str, python: Make) -> None:
    """Claim: OUT is there, for the rules let it pass, but the exit status is 1, and the reason stands there.

    ``--strict MR441`` keeps OUT away, ``--allow MR441`` says that it is all right.
    """
    sides = python(BROKEN), python(MADE)
    told = proved(run, model, *sides)
    assert told.status == 1
    assert "not proved: nothing was compared with plain.h5; out.h5 loads and predicts by Keras 2.13.1" in told.out
    assert "proved: the same" not in told.out
    assert "warning: MR441 incompatible: not proved: plain.h5 predicts nothing to compare with" in told.err
    assert Path("out.h5").exists()
    Path("out.h5").unlink()
    assert proved(run, model, *sides, "--strict", "MR441").status == 64
    assert not Path("out.h5").exists()
    assert proved(run, model, *sides, "--allow", "MR441").status == 0


def test_an_interpreter_that_cannot_begin_proves_nothing(run: Run, model: str, python: Make) -> None:
    """Claim: no Keras on OUT's side is no verdict on OUT: 1, and not 64."""
    told = proved(run, model, python(MADE), python(BROKEN | {"stage": "import"}))
    assert (told.status, "warning: MR441" in told.err) == (1, True)
    assert Path("out.h5").exists()


def test_a_side_that_the_rules_bar_is_not_started(run: Run, models: Path, python: Make, home: Path) -> None:
    """Claim: bytecode of another Python, which might kill or lie, is not run to compare with; nor any unallowed one."""
    shutil.copy(models / "py38/lambda.h5", home / "lambda.h5")
    told = proved(run, "lambda.h5", python(SAME), python(MADE), "--allow", "MR301")
    assert (told.status, "does not load lambda.h5: layer 'scale' holds bytecode of Python 3.8 or 3.9" in told.err) == (
        1,
        True,
    )
    assert "--python EXE with Keras 2.13.1 on Python 3.8 or 3.9, and --allow MR301" in told.err
    shutil.copy(models / "py311/lambda.h5", home / "lambda.h5")
    told = proved(run, "lambda.h5", python(SAME), python(MADE), "--force")
    assert (told.status, "predicting would execute it" in told.err) == (1, True)
    assert proved(run, "lambda.h5", python(MADE), python(SAME), "--force", "--allow", "MR301").status == 0


def test_an_answer_is_one_object_and_one_word(run: Run, model: str, python: Make) -> None:
    """Claim: ``--json`` has the proof with both runs, ``-q`` the path alone, and a dry run proves too."""
    sides = python(MADE), python(SAME)
    told = proved(run, model, *sides, "--json", "--dry-run")
    assert (told.status, told.err, told.json["written"]) == (0, "", False)
    proof = told.json["proof"]
    assert (proof["outcome"], proof["reason"], proof["golden"]) == ("same", None, None)
    assert (proof["before"]["versions"]["keras"], proof["after"]["versions"]["keras"]) == ("2.13.1", "3.15.1")
    assert proof["after"]["outputs"][0]["worst_absolute"] == "0"
    assert proved(run, model, *sides, "-q").out == "out.h5\n"
    assert run("repair", model, "-o", "b.h5", "--target", "current", "--json").json["proof"] is None


def test_golden_predictions_beside_the_file_stand_for_it(run: Run, models: Path, python: Make) -> None:
    """Claim: a pulled file is compared with what was stored at push, and is not run; damaged ones refuse."""
    made = python(MADE | {"versions": {"python": "3.6.15", "keras": "2.2.4"}})
    path = str(models / "py36tf1/lstm.h5")
    assert run("push", path, "--name", "m", "--env", "none", "--golden", "4", "--python", made).status == 0
    assert run("pull", "m", "-o", "m").status == 0
    told = proved(run, "m/lstm.h5", python(BROKEN, LAST), python(SAME))
    assert told.status == 0
    assert "    lstm.h5 as it was pushed: 4 samples, 1 output, to 1e-4, by Keras 2.2.4 on Python 3.6.15" in told.out
    golden = Path("m/.modelreg/golden.npz")
    golden.chmod(0o644)
    golden.write_bytes(golden.read_bytes()[:-1] + b"\1")
    told = proved(run, "m/lstm.h5", python(BROKEN, LAST), python(SAME), "--force")
    assert (told.status, "the golden predictions in" in told.err) == (8, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--python", "python3"), "--python means something with --prove only"),
        (("--prove", "--python", "a", "--python", "b", "--python", "c"), "--python is given at most twice"),
        (("--prove", "--python", "no-such-python"), "is no interpreter"),
        (("--prove", "--tolerance", "much"), "is not a tolerance"),
        (("--prove", "--timeout", "0"), "is not a time limit"),
    ],
)
def test_options_that_mean_nothing_are_told(run: Run, model: str, arguments: tuple[str, ...], message: str) -> None:
    """Claim: usage, and nothing was written."""
    told = run("repair", model, "-o", "out.h5", "--target", "current", *arguments)
    assert (told.status, message in told.err) == (2, True)
    assert not Path("out.h5").exists()
