"""Facets: what of a manifest a version is found by, and the filters that people type."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.environment.document import Environment
from modelreg.environment.specifiers import parse_specifier
from modelreg.errors import UsageError
from modelreg.facets import TEXT_LENGTH_MAX, Facet, FacetKind, facets_of, kept, parse_filter
from modelreg.manifest import Manifest

Make = Callable[..., Manifest]


def test_a_manifest_has_its_facets(make_manifest: Make) -> None:
    """Claim: format, metadata with and without value, and the environment, the file's own words first."""
    manifest = make_manifest(
        metadata={"owner": "risk"},
        writer=Environment(python="3.8", distributions={"keras": "2.13.1"}),
        push=Environment(
            python="3.11.7", distributions={"keras": "3.0.0", "h5py": "3.11.0", "tensorflow-cpu": "2.16.1"}
        ),
    )
    assert facets_of(manifest) == tuple(
        Facet(FacetKind(kind), key, value)
        for kind, key, value in [
            ("env", "h5py", "3.11.0"),
            ("env", "keras", "2.13.1"),
            ("env", "python", "3.8"),
            ("env", "tensorflow", "2.16.1"),
            ("env", "tensorflow-cpu", "2.16.1"),
            ("format", "", "keras-hdf5"),
            ("meta", "owner", ""),
            ("meta=", "owner", "risk"),
        ]
    )


@given(st.text(max_size=400))
def test_any_text_fits_the_index(text: str) -> None:
    """Claim: what is kept is short and holds no NUL, and two texts are kept alike only if they are the same."""
    found = kept(text.encode("utf-8", "replace").decode())
    assert len(found) <= max(TEXT_LENGTH_MAX, len("sha256:") + 64)
    assert "\0" not in found
    assert kept("e\u0301") == "\u00e9"
    assert kept("a" * 201) != kept("a" * 202)


@pytest.mark.parametrize(
    ("text", "version", "allowed"),
    [
        ("keras<3", "2.13.1", True),
        ("keras<3", "3.0.0", False),
        ("Keras", "anything", True),
        ("keras<3", "2.13.1-tf", False),
        ("tensorflow>=2.4,<2.6", "2.5.0rc1", True),
        ("python==3.8.*", "3.8", True),
        ("python==3.8.*", "3.8.10", True),
    ],
)
def test_a_specifier_allows_what_pip_would(text: str, version: str, allowed: bool) -> None:
    """Claim: names are normalised, pre-releases count, and what is no version fits only a bare name."""
    assert parse_specifier(text).allows(version) is allowed


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"formats": ["keras"]}, "keras-hdf5, keras-hdf5-weights"),
        ({"has": ["everything"]}, "lambda, custom, golden"),
        ({"environments": ["keras<"]}, "no distribution"),
        ({"environments": ["keras[all]"]}, "no distribution"),
        ({"environments": ["keras; python_version<'3'"]}, "no distribution"),
        ({"environments": ["k" * 300]}, "no distribution"),
        ({"metadata": ["=x"]}, "no key"),
        ({"metadata": ["owner=\udcff"]}, "no key"),
    ],
)
def test_a_filter_that_is_none_says_what_is_known(given: dict[str, list[str]], says: str) -> None:
    """Claim: an unknown word is a usage error that lists the words there are."""
    with pytest.raises(UsageError, match=says):
        parse_filter(**given)
