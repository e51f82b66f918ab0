"""A repair from file to file: what is written, what never is, and what is refused before anything is tried."""

from __future__ import annotations

import ast
import dataclasses
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

from modelreg import (
    ConflictError,
    InspectionError,
    Inspector,
    NotFoundError,
    PlacementError,
    RefusedError,
    Repaired,
    UsageError,
    inspect_path,
    load_settings,
    repair_model,
)
from modelreg.facts import Facts

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
TARGET = str(EXAMPLES / "python311.txt")
FUNCTIONS = Path(__file__).resolve().parents[1] / "inspect" / "functions"
WINDOWS_PYTHONS = ("2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12")
"""From 3.13 on no instruction has the number 92."""
Repair = Callable[..., Repaired]


@pytest.fixture
def repair(tmp_path: Path) -> Repair:
    """``repair(file, "name")`` for Keras 3.15.1 on Python 3.11, into an empty folder."""

    def run(file: Path, out: str = "out.h5", **given: Any) -> Repaired:
        options: dict[str, Any] = {"target": TARGET, "settings": load_settings({})} | given
        return repair_model(str(file), tmp_path / out, **options)

    return run


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["py36/lambda.h5", "py38/lambda_timedistributed.h5", "py38/lambda_nested.h5"])
def test_a_lambda_file_is_written_with_its_functions(models: Path, tmp_path: Path, repair: Repair, name: str) -> None:
    """Claim: bytecode is gone, the tensors are those of the file, and the module is Python that defines what is named."""
    before = (models / name).read_bytes()
    result = repair(models / name)
    assert result.is_written
    assert written(tmp_path) == ["out.h5", "out_functions.py"]
    old, new = inspect_path(models / name), inspect_path(tmp_path / "out.h5")
    assert old.lambdas
    assert not new.lambdas
    assert [(each.path, each.extents) for each in new.tensors] == [(each.path, each.extents) for each in old.tensors]
    tree = ast.parse((tmp_path / "out_functions.py").read_text("ascii"))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    wanted = {str(each.registered_name or each.class_name).rpartition(">")[2] for each in new.custom_objects}
    assert wanted == defined
    assert (models / name).read_bytes() == before


@pytest.mark.parametrize("python", WINDOWS_PYTHONS)
def test_what_windows_damaged_is_mended(models: Path, tmp_path: Path, repair: Repair, python: str) -> None:
    """Claim: code whose every byte could be put back becomes a function that computes what the author wrote.

    The payload is what Keras on Windows stores of code that each real Python compiled: UNPACK_SEQUENCE is 92 in it.
    """
    damaged = _with_lambda(models, tmp_path, _windows(python, "unpacks"))
    (code,) = inspect_path(damaged).lambdas
    assert code.mangled == "undone"
    result = repair(damaged)
    assert (result.is_written, result.unmended) == (True, ())
    assert _defined(result.source or "")([6.0, 7.0]) == 42.0
    (change,) = [each for each in result.changes if each.what == "function"]
    assert not change.is_proved
    assert "put back in the one way that is valid" in change.why
    assert "# Not proved: Keras on Windows had changed" in (result.source or "")


@pytest.mark.parametrize("python", ["3.6", "3.11", "3.13"])
def test_what_windows_may_have_damaged_is_told(models: Path, tmp_path: Path, repair: Repair, python: str) -> None:
    """Claim: a 47 that may have been 92 is written as it stands, and the change and the module say so."""
    result = repair(_with_lambda(models, tmp_path, _windows(python, "has 92")))
    assert _defined(result.source or "")(1) == 48
    assert any("a 47 or a slash may have been the other" in each.why for each in result.changes)
    assert "# Not proved: Keras on Windows writes 92" in (result.source or "")


def test_certain_damage_beside_a_number_in_doubt_is_not_mended(models: Path, tmp_path: Path, repair: Repair) -> None:
    """Claim: half of it put back would run and compute something else, so nothing is written."""
    result = repair(_with_lambda(models, tmp_path, _windows("3.9", "unpacks and has 92")))
    assert (result.is_written, result.module) == (False, None)
    assert "no source could be proved" in result.unmended[0]
    assert "MR307" in {finding.rule for finding in result.verdict.refusals}


HOSTILE_NAMES = [
    '"""\nimport os\nos.abort()\n"""',
    "a\\\nimport os\nos.abort()  # '\x1b[2J",
    "x', name='y')\ndef z(t): raise SystemExit\n#",
    "__import__",
    "\u2028import os",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_layers_name_never_becomes_code(models: Path, tmp_path: Path, repair: Repair, name: str) -> None:
    """Claim: quotes, newlines and escapes of a file stay text, also where control characters are allowed."""
    result = repair(_with_lambda(models, tmp_path, None, name), allow=["MR317"])
    text = (tmp_path / "out_functions.py").read_text("ascii")
    assert result.source == text
    assert all(char.isprintable() or char == "\n" for char in text)
    first, definition = ast.parse(text).body
    assert ast.unparse(first) == "import keras"
    assert isinstance(definition, ast.FunctionDef)
    assert [type(node) for node in definition.body] == [ast.Expr, ast.Return]
    assert _defined(text)(2.0) == 5.0


@pytest.mark.parametrize(
    ("out", "error"),
    [(".", UsageError), ("folder", ConflictError), ("nowhere/out.h5", PlacementError), ("/dev/null", ConflictError)],
)
def test_what_is_no_place_for_a_file_is_told(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, error: type[Exception]
) -> None:
    """Claim: also with ``force``, no folder and no device is replaced, and none is made."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(error):
        repair_model(str(models / "py38/lambda.h5"), Path(out), target=TARGET, settings=load_settings({}), force=True)
    assert Path("/dev/null").is_char_device()
    assert written(tmp_path) == ["folder"]


def test_a_module_of_functions_has_a_name_that_can_be_typed(models: Path, tmp_path: Path, repair: Repair) -> None:
    """Claim: accents go, what no identifier has becomes ``_``, and a module that is there is not replaced unasked."""
    assert repair(models / "py38" / "lambda.h5", "été 2.h5").module == tmp_path / "ete_2_functions.py"
    with pytest.raises(ConflictError, match="ete_2_functions"):
        repair(models / "py38" / "lambda.h5", "ete-2.h5")


def _windows(python: str, name: str) -> str:
    """The base64 of a function that a real Python compiled, as Keras on Windows stores it."""
    document = json.loads((FUNCTIONS / f"lambdas{python}.json").read_text())
    (found,) = [mangled for each, _, mangled in document["windows"] if each == name]
    return str(found)


def _with_lambda(models: Path, folder: Path, payload: str | None, name: str | None = None) -> Path:
    """A real file whose Lambda holds another function, or has another name."""
    target = folder / "damaged.h5"
    shutil.copy(models / "py38" / "lambda.h5", target)
    with h5py.File(target, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        (layer,) = [each for each in config["config"]["layers"] if each["class_name"] == "Lambda"]
        layer["config"]["function"] = [payload, None, None] if payload else layer["config"]["function"]
        layer["config"]["name"] = name or layer["config"]["name"]
        file.attrs["model_config"] = json.dumps(config)
    return target


def _defined(source: str) -> Callable[..., Any]:
    """The one function of a generated module, without Keras's decorator."""
    (definition,) = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    definition.decorator_list = []
    names: dict[str, Any] = {}
    exec(compile(ast.Module([definition], []), "generated", "exec"), names)
    function: Callable[..., Any] = names[definition.name]
    return function


def test_an_archive_keeps_its_other_members(models: Path, tmp_path: Path, repair: Repair) -> None:
    """Claim: of a ``.keras`` file only ``config.json`` differs."""
    file = Path(__file__).resolve().parents[2] / "oracle" / "models" / "py310" / "lambda.keras"
    assert repair(file, "out.keras").is_written
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(tmp_path / "out.keras") as new:
        differing = [name for name in old.namelist() if old.read(name) != new.read(name)]
    assert differing == ["config.json"]


def test_the_same_file_gives_the_same_bytes(models: Path, tmp_path: Path, repair: Repair) -> None:
    """Claim: a repair is deterministic."""
    repair(models / "py38" / "lambda.h5")
    first = [(tmp_path / name).read_bytes() for name in written(tmp_path)]
    repair(models / "py38" / "lambda.h5", force=True)
    assert [(tmp_path / name).read_bytes() for name in written(tmp_path)] == first


def test_what_cannot_be_mended_is_not_written(models: Path, tmp_path: Path, repair: Repair) -> None:
    """Claim: weights that the target looks for elsewhere are no matter of configuration: refused, and nothing left."""
    result = repair(models / "py38" / "lambda.keras", "out.keras")
    assert not result.loads
    assert result.changes
    assert "MR422" in {finding.rule for finding in result.verdict.refusals}
    assert written(tmp_path) == []


def test_the_wrong_suffix_is_told(models: Path, tmp_path: Path, repair: Repair) -> None:
    """Claim: HDF5 that would be called ``.keras`` is not written; as ``.h5`` it is."""
    result = repair(models / "py36" / "lambda.keras", "out.keras")
    assert [finding.rule for finding in result.verdict.refusals] == ["MR406"]
    assert repair(models / "py36" / "lambda.keras", "out.h5").is_written


def test_a_file_that_needs_nothing_is_copied(models: Path, tmp_path: Path, repair: Repair) -> None:
    """Claim: done means that OUT is there, byte for byte where nothing had to change."""
    file = models / "py311" / "plain.keras"
    result = repair(file, "out.keras")
    assert (result.changes, result.module, result.is_written) == ((), None, True)
    assert (tmp_path / "out.keras").read_bytes() == file.read_bytes()


def test_a_dry_run_writes_nothing(models: Path, tmp_path: Path, repair: Repair) -> None:
    """Claim: it says what would be, with the module's text."""
    result = repair(models / "py38" / "lambda.h5", dry_run=True)
    assert result.loads
    assert not result.is_written
    assert "return t * 2.0 + 1.0" in (result.source or "")
    assert written(tmp_path) == []


@pytest.mark.parametrize("name", ["out.h5", "out_functions.py"])
def test_nothing_is_replaced_unasked(models: Path, tmp_path: Path, repair: Repair, name: str) -> None:
    """Claim: neither the model nor the module; with ``force`` both."""
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConflictError):
        repair(models / "py38" / "lambda.h5")
    assert (tmp_path / name).read_text() == "mine"
    assert repair(models / "py38" / "lambda.h5", force=True).is_written
    assert b"mine" not in (tmp_path / name).read_bytes()


def test_the_file_itself_is_never_the_destination(models: Path, tmp_path: Path, repair: Repair) -> None:
    """Claim: not even with ``force``, nor through another name for it."""
    shutil.copyfile(models / "py38" / "lambda.h5", tmp_path / "in.h5")
    os.link(tmp_path / "in.h5", tmp_path / "out.h5")
    with pytest.raises(ConflictError, match="never changed"):
        repair(tmp_path / "in.h5", force=True)


def test_a_destination_that_cannot_be_written_is_an_error(models: Path, repair: Repair) -> None:
    """Claim: a missing folder is told as that."""
    with pytest.raises(PlacementError):
        repair(models / "py38" / "lambda.h5", "nowhere/out.h5")


BROKEN = {
    "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 17000\n",
    "html": b"<!DOCTYPE html><html><body>not found</body></html>",
    "empty": b"",
}


@pytest.mark.parametrize("kind", [*BROKEN, "truncated"])
def test_damage_is_told_with_its_own_fix(models: Path, tmp_path: Path, repair: Repair, kind: str) -> None:
    """Claim: what is no model is refused as corrupt, and the hint is the rule's."""
    folder = tmp_path / "in"
    folder.mkdir()
    data = BROKEN.get(kind) if kind in BROKEN else (models / "py38" / "plain.h5").read_bytes()[:9_000]
    (folder / "m.h5").write_bytes(data or b"")
    with pytest.raises(RefusedError, match="cannot be mended") as caught:
        repair(folder / "m.h5")
    assert caught.value.exit_status == 8
    assert caught.value.hint
    assert written(tmp_path) == ["in"]


def test_what_has_no_configuration_is_told(models: Path, repair: Repair) -> None:
    """Claim: weights alone, a folder, and what is not there."""
    with pytest.raises((RefusedError, UsageError)):
        repair(models / "py38" / "plain_weights_only.h5")
    with pytest.raises(UsageError, match="is a folder"):
        repair(models / "py38" / "savedmodel_plain")
    with pytest.raises(NotFoundError):
        repair(models / "nothing.h5")


def test_a_target_without_keras_is_an_error(models: Path, tmp_path: Path, repair: Repair) -> None:
    """Claim: a repair is always for some Keras."""
    (tmp_path / "bare.txt").write_text("# python==3.11.7\nnumpy==2.0.0\n")
    for target in ("none", str(tmp_path / "bare.txt")):
        with pytest.raises(UsageError, match="target with Keras"):
            repair(models / "py38" / "lambda.h5", target=target)


def test_a_custom_object_that_nobody_provides_still_refuses(models: Path, repair: Repair) -> None:
    """Claim: only the generated functions count as provided besides what the caller says."""
    assert repair(models / "py38" / "custom_layer.h5", dry_run=True).loads
    result = repair(models / "py38" / "custom_layer.h5", provides=())
    assert [finding.rule for finding in result.verdict.refusals] == ["MR420"]
    assert not result.is_written
    assert repair(models / "py38" / "lambda.h5", provides=()).is_written


def test_weights_that_are_not_the_files_are_never_kept(
    models: Path, tmp_path: Path, repair: Repair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claim: a recipe that changes one value, as a reader that was taken over may write it, ends the repair."""
    honest = Inspector.rewrite

    def hostile(self: Inspector, path: str, descriptor: int, config: str) -> Any:
        rewriting = honest(self, path, descriptor, config)
        changed = bytearray().join(
            os.pread(descriptor, piece.size_bytes, piece.offset) if piece.new_bytes is None else piece.new_bytes
            for piece in rewriting.pieces
        )
        (tmp_path / "evil.h5").write_bytes(changed)
        with h5py.File(tmp_path / "evil.h5", "r+") as file:
            file["model_weights/dense_2/dense_2/kernel:0"][0, 0] += 1
        evil = (tmp_path / "evil.h5").read_bytes()
        (tmp_path / "evil.h5").unlink()
        return dataclasses.replace(rewriting, pieces=(type(rewriting.pieces[0]).new(evil),))

    monkeypatch.setattr(Inspector, "rewrite", hostile)
    with pytest.raises(InspectionError, match="does not hold the weights"):
        repair(models / "py38" / "lambda.h5")
    assert written(tmp_path) == []


def test_facts_of_the_file_stay_cached_as_they_were(models: Path, repair: Repair) -> None:
    """Claim: planning does not change the configuration that other judgements share."""
    facts: Facts = inspect_path(models / "py38" / "lambda.h5")
    repair(models / "py38" / "lambda.h5")
    assert inspect_path(models / "py38" / "lambda.h5") == facts
