"""The environment document: an interpreter and the distributions that matter, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

TENSORFLOW_DISTRIBUTIONS = (
    "tensorflow",
    "tensorflow-cpu",
    "tensorflow-gpu",
    "tensorflow-intel",
    "tensorflow-macos",
    "tensorflow-rocm",
    "tensorflow-aarch64",
    "tf-nightly",
    "tf-nightly-cpu",
)
"""Every name under which TensorFlow itself has been published."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What is known of a place where a model is saved or loaded; ``None`` and absence mean *not known*.

    ``python`` is ``X.Y.Z`` or, from a requirements text, ``X.Y``; ``magic`` is the bytecode magic number (3495 for
    3.11); ``distributions`` maps normalised names (PEP 503) to versions; ``modules`` maps top-level modules that a
    model's custom objects come from to the distribution that holds them.
    """

    python: str | None = None
    implementation: str | None = None
    magic: int | None = None
    system: str | None = None
    platform: str | None = None
    machine: str | None = None
    byteorder: str | None = None
    distributions: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    cuda: str | None = None
    cudnn: str | None = None
    keras_backend: str | None = None

    @property
    def python_minor(self) -> str | None:
        """``3.11`` of ``3.11.7``."""
        return ".".join(self.python.split(".")[:2]) if self.python else None

    @property
    def tensorflow(self) -> str | None:
        """TensorFlow's version under whichever of its names it is installed."""
        return next(
            (self.distributions[name] for name in TENSORFLOW_DISTRIBUTIONS if name in self.distributions), None
        )

    @property
    def keras(self) -> str | None:
        """The version that ``import keras`` gives; for TensorFlow 2.0 to 2.5, which carried its own, TensorFlow's."""
        return self.distributions.get("keras")
