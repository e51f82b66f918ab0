"""Facts: which tensors a byte range touches, and the small properties that rules rely on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.facts import Container, CustomObject, Extent, Facts, Tensor
from modelreg.records import to_json

EXTENTS = st.lists(st.builds(Extent, st.integers(0, 200), st.integers(0, 40)), max_size=3).map(tuple)
TENSORS = st.lists(
    st.builds(Tensor, st.text(max_size=3), st.just(()), st.just("float32"), st.sampled_from(["a", "b"]), EXTENTS),
    max_size=5,
).map(tuple)


@given(TENSORS, st.integers(0, 220), st.integers(1, 30))
def test_a_byte_range_touches_exactly_the_tensors_that_own_one_of_its_bytes(
    tensors: tuple[Tensor, ...], offset: int, size_bytes: int
) -> None:
    """Claim: tensors_at equals the naive answer, byte by byte, and keeps the file's tensors apart."""
    facts = Facts(Container.KERAS_HDF5, "a", tensors=tensors)
    asked = set(range(offset, offset + size_bytes))
    naive = tuple(
        tensor
        for tensor in tensors
        if tensor.file == "a"
        and any(asked & set(range(extent.offset, extent.offset + extent.size_bytes)) for extent in tensor.extents)
    )
    assert facts.tensors_at("a", offset, size_bytes) == naive


@pytest.mark.parametrize(
    ("version", "major"),
    [("2.13.1", 2), ("3.15.1", 3), ("2.2.4-tf", 2), (None, None), ("", None), ("nightly", None), ("\u00b2.0", None)],
)
def test_the_keras_major_is_a_number_or_unknown(version: str | None, major: int | None) -> None:
    """Claim: whatever text a file gives as its Keras version, the major is an integer or None, never an exception."""
    assert Facts(Container.KERAS_HDF5, "f", keras_version=version).keras_major == major


def test_an_absurdly_long_keras_version_is_no_exception() -> None:
    """Claim: 10,000 digits, which int() refuses to read, are an unknown version."""
    assert Facts(Container.KERAS_HDF5, "f", keras_version="9" * 10_000).keras_major is None


def test_layers_and_custom_objects_say_class_in_json() -> None:
    """Claim: the facts object uses the key ``class``, as the design promises."""
    facts = Facts(Container.KERAS_ZIP, "f", custom_objects=(CustomObject("Twice", "layer", "m/t", "pkg", "p>Twice"),))
    told = to_json(facts)
    assert isinstance(told, dict)
    assert told["custom_objects"] == [
        {"class": "Twice", "role": "layer", "where": "m/t", "module": "pkg", "registered_name": "p>Twice"}
    ]


@pytest.mark.parametrize("container", list(Container))
def test_two_containers_hold_weights_only(container: Container) -> None:
    """Claim: exactly the two layouts without an architecture say so."""
    assert container.holds_weights_only == container.value.endswith("-weights")
