"""Attacks in texts: YAML configurations, weight maps, and the folder that Keras 3 loads as a model."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Build = Callable[..., Any]

YAML = b"""backend: tensorflow
class_name: Sequential
config:
  layers:
  - class_name: Dense
    config: {batch_input_shape: !!python/tuple [null, 784], name: dense}
"""


def folder(kit: Any, edit: Callable[[Any], None]) -> Any:
    """The members of a ``.keras`` archive as files: ``keras.saving.load_model`` takes the folder."""
    return {**kit.members(), "config.json": kit.config(edit)}


def shards(kit: Any, name: str) -> Any:
    weights = kit.members()["model.weights.h5"]
    text = json.dumps({"metadata": {"total_size": 1}, "weight_map": {"/layers/dense/vars": name}})
    return {"m_00000.weights.h5": weights, "m.weights.json": text.encode()}


def linked_shard(kit: Any) -> Any:
    import h5py

    def change(file: h5py.File) -> None:
        file["x"] = h5py.ExternalLink("/etc/other.h5", "/x")

    return {**shards(kit, "m_00000.weights.h5"), "m_00000.weights.h5": kit.hdf5(change)}


ATTACKS: dict[str, tuple[Build, Build, str, str]] = {
    "CVE-2021-37678": (lambda kit: YAML + b"x: !!python/object/apply:os.system [id]\n", lambda kit: YAML, "MR316", "artifact"),
    "CVE-2021-37678 in a folder": (
        lambda kit: {"model.yaml": YAML + b"x: !!python/name:os.system\n", "README.md": b"#"},
        lambda kit: {"model.yaml": YAML, "README.md": b"#"},
        "MR316",
        "model.yaml",
    ),
    "a folder that Keras loads": (
        lambda kit: folder(kit, kit.activating(kit.function("os", "system"))),
        lambda kit: folder(kit, kit.activating(kit.function("builtins", "mine"))),
        "MR311",
        "config.json: sequential/dense_1",
    ),
    "a folder with stored bytecode": (
        lambda kit: folder(kit, kit.adding(kit.lambda3(kit.shell))),
        lambda kit: folder(kit, kit.adding(kit.lambda3(kit.double))),
        "MR315",
        "config.json: sequential/bad",
    ),
    "a weight map to elsewhere": (
        lambda kit: shards(kit, "../../secret.h5"), lambda kit: shards(kit, "m_00000.weights.h5"), "MR304", "m.weights.json",
    ),
    "a shard with a link": (linked_shard, lambda kit: shards(kit, "m_00000.weights.h5"), "MR302", "m_00000.weights.h5/x"),
    "a bad model beside a good one": (
        lambda kit: {"a.keras": kit.keras_with(kit.activating(kit.function("os", "system"))), "b.h5": kit.keras2_h5.read_bytes()},
        lambda kit: {"a.keras": kit.zip(kit.members()), "b.h5": kit.keras2_h5.read_bytes()},
        "MR311",
        "a.keras: sequential/dense_1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_the_attack_is_refused(kit: Any, unsafe: Callable[..., Any], name: str) -> None:
    """With the file and the place in it."""
    bad, _, rule, where = ATTACKS[name]
    assert unsafe(bad(kit)) == [(rule, where)]


@pytest.mark.parametrize("name", ATTACKS)
def test_its_look_alike_is_not_refused(kit: Any, unsafe: Callable[..., Any], name: str) -> None:
    assert unsafe(ATTACKS[name][1](kit)) == []
