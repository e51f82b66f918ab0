"""Weights in shards: found by name beside their index, all of them there, and nowhere else."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.facts import Container, DefectKind, Facts, HazardKind, Tensor
from modelreg.inspect import inspect_path
from modelreg.inspect.reader import read_artifact
from modelreg.inspect.sharded import shard_index
from modelreg.inspect.source import SourceFile
from modelreg.inspect.values import Values

MODELS = Path(__file__).parents[2] / "models"
INDEX = "plain.weights.json"
SHARDS = ("plain_00000.weights.h5", "plain_00001.weights.h5")
FILES = {path.name: path.read_bytes() for path in (MODELS / "tf220" / "sharded").iterdir()}


def read(files: dict[str, bytes], *, values: bool = False) -> Facts:
    sources = [SourceFile(path, len(data), io.BytesIO(data)) for path, data in sorted(files.items())]
    return read_artifact(sources, values=Values(1 << 30) if values else None)


def with_map(weight_map: dict[str, object]) -> dict[str, bytes]:
    return FILES | {INDEX: json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}).encode()}


def test_the_tensors_of_all_shards_are_those_of_one_file() -> None:
    """Paths, shapes and digests; each with the file that it really lies in."""
    facts = read(FILES, values=True)
    data = (MODELS / "tf220" / "sharded.whole.weights.h5").read_bytes()
    whole = read({"w.weights.h5": data}, values=True)

    def bare(tensor: Tensor) -> Tensor:
        return replace(tensor, file="", extents=())

    assert (facts.container, facts.file, facts.defects) == (Container.KERAS_V3_WEIGHTS, INDEX, ())
    assert list(map(bare, facts.tensors)) == list(map(bare, whole.tensors))
    assert {tensor.file for tensor in facts.tensors} == set(SHARDS)
    for tensor in facts.tensors:
        (extent,) = tensor.extents
        assert extent.offset + extent.size_bytes <= len(FILES[tensor.file])


def test_the_child_reads_shards_too() -> None:
    """Nothing that it needs is missing once it is confined."""
    assert inspect_path(MODELS / "tf220" / "sharded") == read(FILES)


def test_a_missing_shard_is_damage() -> None:
    """Also where the index alone was given."""
    facts = read({path: data for path, data in FILES.items() if path != SHARDS[1]})
    assert [(defect.kind, defect.file) for defect in facts.defects] == [(DefectKind.DAMAGED_HDF5, INDEX)]
    assert SHARDS[1] in facts.defects[0].detail
    assert len(read({INDEX: FILES[INDEX]}).defects) == 2


def test_a_shard_that_is_cut_off_or_something_else_is_damage() -> None:
    """The file that is wrong is named."""
    cut = read(FILES | {SHARDS[0]: FILES[SHARDS[0]][:5_000]})
    assert [(defect.kind, defect.file) for defect in cut.defects] == [(DefectKind.DAMAGED_HDF5, SHARDS[0])]
    page = read(FILES | {SHARDS[0]: b"<!doctype html><html></html>"})
    assert [defect.file for defect in page.defects] == [SHARDS[0]]


def test_a_group_that_is_not_in_its_shard_is_damage() -> None:
    """Two shards exchanged, as when somebody renamed them."""
    first, second = SHARDS
    facts = read(FILES | {first: FILES[second], second: FILES[first]})
    assert {defect.file for defect in facts.defects} == {INDEX}
    assert len(facts.defects) == 3


@pytest.mark.parametrize(
    "name", ["../plain_00000.weights.h5", "/etc/passwd", "..", "a\\b.h5", "C:x.h5", "sub/x.h5", ""]
)
def test_a_shard_named_outside_the_folder_is_a_hazard(name: str) -> None:
    """Keras joins the name to the index's folder."""
    facts = read(with_map({"/layers/dense/vars": name, "/layers/dense_1/vars": list(SHARDS[1:])}))
    assert [hazard.kind for hazard in facts.hazards] == [HazardKind.UNSAFE_MEMBER_NAME]


def test_shards_lie_beside_their_index_wherever_that_is() -> None:
    """In a folder of a folder."""
    facts = read({f"deep/{path}": data for path, data in FILES.items()} | {"notes.txt": b"hello"})
    assert (facts.file, facts.defects) == (f"deep/{INDEX}", ())
    assert {tensor.file for tensor in facts.tensors} == {f"deep/{shard}" for shard in SHARDS}


def test_hazards_of_a_shard_say_where(tmp_path: Path) -> None:
    """A soft link in the second shard."""
    import h5py

    made = io.BytesIO(FILES[SHARDS[1]])
    with h5py.File(made, "r+") as file:
        file["link"] = h5py.SoftLink("/layers")
    facts = read(FILES | {SHARDS[1]: made.getvalue()})
    assert [(hazard.kind, hazard.where) for hazard in facts.hazards] == [(HazardKind.SOFT_LINK, f"{SHARDS[1]}/link")]


@pytest.mark.parametrize(
    "document",
    [
        {"weight_map": {"model.embed_tokens.weight": "model-00001-of-00002.safetensors"}},
        {"weight_map": {"/layers/dense/vars": 3}},
        {"weight_map": {}},
        {"weight_map": ["/vars"]},
        [],
    ],
    ids=["another library's", "no name", "empty", "a list", "no object"],
)
def test_other_documents_are_no_index(document: object, source: Callable[..., SourceFile]) -> None:
    """They stay what they were: JSON under a model's name."""
    data = json.dumps(document).encode()
    assert shard_index(source(data)) is None
    assert [defect.kind for defect in read({"x.json": data}).defects] == [DefectKind.JSON_DOCUMENT]


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_no_index_raises(value: object) -> None:
    """Whatever stands in the map."""
    document = {"metadata": value, "weight_map": {"/vars": value, "/layers/dense/vars": SHARDS[0]}}
    read(FILES | {INDEX: json.dumps(document).encode()})
