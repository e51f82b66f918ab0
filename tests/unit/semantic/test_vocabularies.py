"""What lookup layers have learned, in the semantic digest and in a comparison.

The files are of TensorFlow 2.13 and 2.15 and of Keras 3.15 (``tests/models/make_lookup.py``).
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from modelreg import Relation, diff_models
from modelreg.facts import Facts
from modelreg.inspect.reader import read_artifact
from modelreg.inspect.source import SourceFile
from modelreg.inspect.values import Values
from modelreg.semantic import assets_of, semantic_digest

MODELS = Path(__file__).parents[2] / "models"
LOOKUPS = ("py38/lookup.keras", "py310/lookup.keras", "py311/lookup.keras")


def read(path: Path) -> Facts:
    """Facts with value digests, read in this process."""
    data = path.read_bytes()
    return read_artifact([SourceFile(path.name, len(data), io.BytesIO(data))], values=Values.for_artifact(len(data)))


def maybe(path: Path) -> str | None:
    return semantic_digest(read(path))


def with_member(source: Path, path: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """A copy of an archive with each member as ``change`` gives it; ``None`` leaves it out."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(path, "w") as changed:
        for name in archive.namelist():
            if (content := change(name, archive.read(name))) is not None:
                changed.writestr(name, content)
    return path


@pytest.mark.parametrize("name", LOOKUPS)
def test_a_learned_vocabulary_counts(tmp_path: Path, name: str) -> None:
    """One word that is another makes another model; one that is missing leaves it unknown."""

    def other(member: str, content: bytes) -> bytes:
        return content.replace(b"green", b"grown") if member.endswith("vocabulary.txt") else content

    def without(member: str, content: bytes) -> bytes | None:
        return None if member.endswith("string_lookup/vocabulary.txt") else content

    original = maybe(MODELS / name)
    assert original is not None
    assert maybe(with_member(MODELS / name, tmp_path / "same.keras", lambda _, content: content)) == original
    assert maybe(with_member(MODELS / name, tmp_path / "other.keras", other)) not in (None, original)
    assert maybe(with_member(MODELS / name, tmp_path / "less.keras", without)) is None


def test_a_vocabulary_is_the_same_under_either_name_of_its_folder() -> None:
    """Keras 2.13 keeps assets below ``_layer_checkpoint_dependencies``, Keras 2.15 below ``layers``."""
    assert maybe(MODELS / LOOKUPS[0]) == maybe(MODELS / LOOKUPS[1])
    ours, theirs = (assets_of(read(MODELS / name)) for name in LOOKUPS[:2])
    assert ours == theirs
    assert set(ours) == {
        "learned/vocabulary.txt",
        "vectorization/vocabulary.txt",
        "vectorization/_lookup_layer/vocabulary.txt",
    }


def test_a_vocabulary_in_the_configuration_needs_no_asset(tmp_path: Path) -> None:
    """A list that the layer was given stands there; the name of a file says nothing of what is in it."""

    def given(vocabulary: object) -> Callable[[str, bytes], bytes | None]:
        def change(member: str, content: bytes) -> bytes | None:
            if member != "config.json":
                return None if member.startswith("assets/") else content
            config = json.loads(content)
            for layer in config["config"]["layers"]:
                if layer["class_name"] in ("StringLookup", "TextVectorization"):
                    layer["config"]["vocabulary"] = vocabulary
            return json.dumps(config).encode()

        return change

    source = MODELS / LOOKUPS[2]
    assert maybe(with_member(source, tmp_path / "list.keras", given(["red", "green"]))) is not None
    assert maybe(with_member(source, tmp_path / "path.keras", given("/words.txt"))) is None
    assert maybe(with_member(source, tmp_path / "none.keras", given(None))) is None


def test_a_changed_vocabulary_is_told_by_a_comparison(tmp_path: Path) -> None:
    """By its layer, and it alone: all tensors and layers are alike."""

    def other(member: str, content: bytes) -> bytes:
        return content.replace(b"green", b"grown") if member.endswith("string_lookup/vocabulary.txt") else content

    changed = with_member(MODELS / LOOKUPS[2], tmp_path / "lookup.keras", other)
    difference = diff_models(MODELS / LOOKUPS[2], changed)
    assert difference.relation is Relation.DIFFERENT
    assert [told.field for told in difference.facts] == ["asset learned/vocabulary.txt"]
    assert (difference.tensors, difference.layers) == ((), ())


def test_without_values_there_are_no_assets() -> None:
    """Facts of the time before assets, and those that were not asked for values, say nothing of them."""
    data = (MODELS / LOOKUPS[2]).read_bytes()
    assert read_artifact([SourceFile("m.keras", len(data), io.BytesIO(data))]).assets == ()
