"""The kit that builds bad models out of real Keras files, and the judge that they are brought before."""

from __future__ import annotations

import base64
import io
import json
import marshal
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from modelreg.artifact import open_artifact
from modelreg.facts import Facts
from modelreg.findings import Kind, Severity, Verdict
from modelreg.inspect import Inspector
from modelreg.rules import Policy, Purpose, judge
from modelreg.rules.policy import Mode

MODELS = Path(__file__).parents[1] / "models"
Json = dict[str, Any]
Edit = Callable[[Json], None]


@dataclass(frozen=True)
class Kit:
    """Builders; each gives the bytes of a file, or the files of a folder.  Keras is never run."""

    keras: Path = MODELS / "py313" / "plain.keras"
    keras2_h5: Path = MODELS / "py38" / "plain.h5"
    keras3_h5: Path = MODELS / "py311" / "plain.h5"

    # Configurations

    def layer(self, class_name: str, name: str = "bad", /, **arguments: object) -> Json:
        """A version 3 layer that takes what ``dense`` takes."""
        config = {"name": name, "trainable": True, "dtype": "float32", **arguments}
        return {"module": "keras.layers", "class_name": class_name, "config": config, "registered_name": None}

    def function(self, module: str, name: str) -> Json:
        return {"module": module, "class_name": "function", "config": name, "registered_name": name}

    def adding(self, *layers: Json) -> Edit:
        """Put layers behind the real ones."""
        return lambda config: config["config"]["layers"].extend(layers)

    def activating(self, activation: object) -> Edit:
        """Give the last real layer another activation."""

        def edit(config: Json) -> None:
            config["config"]["layers"][-1]["config"]["activation"] = activation

        return edit

    def compiling(self, **compile_config: object) -> Edit:
        return lambda config: config.update(compile_config=compile_config)

    # Containers

    def members(self, path: Path | None = None) -> dict[str, bytes]:
        with zipfile.ZipFile(path or self.keras) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    def config(self, edit: Edit) -> bytes:
        """The configuration of ``plain.keras`` after ``edit``."""
        value = json.loads(self.members()["config.json"])
        edit(value)
        return json.dumps(value).encode()

    def zip(self, members: Mapping[str, bytes], *more: tuple[str | zipfile.ZipInfo, bytes], method: int = 0) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
            for info, data in more:
                archive.writestr(info, data)
        return out.getvalue()

    def keras_with(self, edit: Edit | bytes) -> bytes:
        """``plain.keras`` with its configuration edited, or replaced by bytes."""
        config = edit if isinstance(edit, bytes) else self.config(edit)
        return self.zip({**self.members(), "config.json": config})

    def keras_with_weights(self, weights: bytes) -> bytes:
        return self.zip({**self.members(), "model.weights.h5": weights})

    def h5_with(self, edit: Edit, *, attribute: str = "model_config", path: Path | None = None) -> bytes:
        """A legacy file of Keras 2 (or ``path``) with a configuration edited."""

        def change(file: h5py.File) -> None:
            text = file.attrs[attribute]
            value = json.loads(text)
            edit(value)
            del file.attrs[attribute]
            file.attrs[attribute] = json.dumps(value)

        return self.hdf5(change, (path or self.keras2_h5).read_bytes())

    def hdf5(self, change: Callable[[h5py.File], None], start: bytes | None = None) -> bytes:
        """HDF5 after ``change``, from ``start`` or from the real weights of ``plain.keras``."""
        data = io.BytesIO(self.members()["model.weights.h5"] if start is None else start)
        with h5py.File(data, "r+") as file:
            change(file)
        return data.getvalue()

    def folder(self, path: str) -> dict[str, bytes]:
        root = MODELS / path
        return {each.relative_to(root).as_posix(): each.read_bytes() for each in root.rglob("*") if each.is_file()}

    def npz(self, *arrays: object) -> bytes:
        out = io.BytesIO()
        np.savez(out, *arrays)  # type: ignore[arg-type]
        return out.getvalue()

    # Stored bytecode of the running Python

    def bytecode(self, function: Any) -> str:
        """As ``func_dump`` stores it; it is never run, here or anywhere."""
        return base64.encodebytes(marshal.dumps(function.__code__)).decode()

    @property
    def shell(self) -> Callable[[Any], Any]:
        return lambda x: __import__("os").system("true") or x

    @property
    def double(self) -> Callable[[Any], Any]:
        return lambda x: x * 2 + 1

    def stored(self, function: Any) -> Json:
        """A function value of version 3."""
        return {
            "class_name": "__lambda__",
            "config": {"code": self.bytecode(function), "defaults": None, "closure": None},
        }

    def lambda3(self, function: Any, name: str = "bad") -> Json:
        return self.layer("Lambda", name, function=self.stored(function), arguments={})

    def lambda2(self, function: Any, name: str = "bad") -> Json:
        config = {
            "name": name,
            "trainable": True,
            "dtype": "float32",
            "function": [self.bytecode(function), None, None],
        }
        config |= {"function_type": "lambda", "module": "__main__", "output_shape": None, "output_shape_type": "raw"}
        return {"class_name": "Lambda", "config": {**config, "arguments": {}}}


Artifact = bytes | dict[str, bytes]


@pytest.fixture(scope="session")
def kit() -> Kit:
    return Kit()


@pytest.fixture(scope="session")
def inspector() -> Iterator[Inspector]:
    """What starts a reader for each artifact of the session."""
    with Inspector(expect_hdf5=True) as opened:
        yield opened


@pytest.fixture
def facts_of(tmp_path: Path, inspector: Inspector) -> Callable[[Artifact], Facts]:
    """Inspect an artifact as a push does: from disk, in a child process of its own."""

    def run(artifact: Artifact) -> Facts:
        root = tmp_path / "artifact"
        if isinstance(artifact, bytes):
            root.write_bytes(artifact)
        else:
            for name, data in artifact.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(data)
        before = {os.path.getsize(path) for path in tmp_path.rglob("*")}
        with open_artifact(root) as files:
            facts = inspector.inspect([(file.path, file.descriptor) for file in files])
        assert {os.path.getsize(path) for path in tmp_path.rglob("*")} == before
        return facts

    return run


def verdict_of(facts: Facts, mode: Mode = Mode.DEFAULT) -> Verdict:
    return Verdict(judge(facts, Policy(purpose=Purpose.PULL, mode=mode), None, None))


@pytest.fixture(scope="session")
def verdict() -> Callable[..., Verdict]:
    """What the default policy, or ``--verify``, says of facts."""
    return verdict_of


@pytest.fixture
def unsafe(facts_of: Callable[[Artifact], Facts]) -> Callable[..., list[tuple[str, str | None]]]:
    """Rule and place of every refusal of kind unsafe; with one, the exit status has its bit."""

    def run(artifact: Artifact, mode: Mode = Mode.DEFAULT) -> list[tuple[str, str | None]]:
        judged = verdict_of(facts_of(artifact), mode)
        found = [(finding.rule, finding.where) for finding in judged.refusals if finding.kind is Kind.UNSAFE]
        assert bool(found) == bool(judged.exit & Kind.UNSAFE.exit_bit)
        assert all(finding.severity is Severity.REFUSE for finding in judged.refusals)
        return found

    return run
