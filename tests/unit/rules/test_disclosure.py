"""MR210: a manifest that hides what its files hold, and one that an older release wrote in good faith."""

from __future__ import annotations

from dataclasses import replace

import pytest

from modelreg.facts import (
    Container,
    CustomObject,
    Defect,
    DefectKind,
    Facts,
    Hazard,
    HazardKind,
    LambdaCode,
)
from modelreg.rules.disclosure import hidden

FOUND = Facts(
    Container.KERAS_HDF5,
    "model.h5",
    keras_version="2.13.1",
    backend="tensorflow",
    config='{"layers":[]}',
    lambdas=(LambdaCode("scale", "m/scale", ("3.8", "3.9")),),
    custom_objects=(CustomObject("Mine", "layer", "m/mine", "lib", "lib>Mine"),),
    hazards=(Hazard(HazardKind.UNSAFE_CLASS, "m/tfsm", "TFSMLayer"),),
    defects=(Defect(DefectKind.DAMAGED_CONFIG, "model.h5", "cut"),),
)

LIES = {
    "container": replace(FOUND, container=Container.OPAQUE),
    "Keras": replace(FOUND, keras_version="3.0.0"),
    "backend": replace(FOUND, backend="jax"),
    "configuration": replace(FOUND, config="{}"),
    "Lambda": replace(FOUND, lambdas=()),
    "Lambda elsewhere": replace(FOUND, lambdas=(LambdaCode("scale", "m/other", ("3.8", "3.9")),)),
    "Lambda of another Python": replace(FOUND, lambdas=(LambdaCode("scale", "m/scale", ("3.11",)),)),
    "Lambda that nobody wrote": replace(FOUND, lambdas=(LambdaCode("scale", "m/scale", ()),)),
    "custom object": replace(FOUND, custom_objects=()),
    "hazard": replace(FOUND, hazards=()),
    "defect": replace(FOUND, defects=()),
}


@pytest.mark.parametrize("name", LIES)
def test_a_manifest_that_hides_something_is_told(name: str) -> None:
    """Claim: each dangerous thing that the manifest leaves out or tells otherwise is one finding of MR210."""
    assert [finding.rule for finding in hidden(LIES[name], FOUND)] == ["MR210"]


HONEST = {
    "the same": FOUND,
    "no configuration, as releases of old": replace(FOUND, config=None),
    "no Keras": replace(FOUND, keras_version=None),
    "more hazards": replace(FOUND, hazards=(*FOUND.hazards, Hazard(HazardKind.TOO_MUCH, "x", "y"))),
    "fewer Pythons": replace(FOUND, lambdas=(LambdaCode("scale", "m/scale", ("3.9",)),)),
    "more Pythons": replace(FOUND, lambdas=(LambdaCode("scale", "m/scale", ("3.9", "3.10")),)),
    "other words": replace(FOUND, hazards=(replace(FOUND.hazards[0], detail="in other words"),)),
}


@pytest.mark.parametrize("name", HONEST)
def test_what_another_release_tells_is_no_lie(name: str) -> None:
    """Claim: more than there is, other words, and silence about what is not dangerous are found by nobody."""
    assert list(hidden(HONEST[name], FOUND)) == []
