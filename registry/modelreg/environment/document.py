"""The environment document: an interpreter and the distributions that matter, as a value and as bytes.

The bytes are canonical JSON under the key ``schema`` = ``modelreg.environment/v1``; a reader of v1 ignores keys it does
not know and reads at most ``DOCUMENT_SIZE_BYTES_MAX``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from modelreg.errors import DocumentError
from modelreg.records import Json, canonical_json, from_json, parse_json, to_json

SCHEMA = "modelreg.environment/v1"
DOCUMENT_SIZE_BYTES_MAX = 4 * 1024 * 1024
"""A document of 20,000 pins comes to 1 MB; a lock of 1,000 packages with every hash, read within it too, to 2 MB."""

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


KERAS_OF_TENSORFLOW = {
    (1, 13): "2.2.4",
    (1, 14): "2.2.4",
    (1, 15): "2.2.4",
    (2, 0): "2.2.4",
    (2, 1): "2.2.4",
    (2, 2): "2.3.0",
    (2, 3): "2.4.0",
    (2, 4): "2.4.0",
    (2, 5): "2.5.0",
}
"""``tf.keras.__version__``, less its ``-tf``, of the TensorFlows that carried a Keras; 2.6 and later use ``keras``."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What is known of a place where a model is saved or loaded; ``None`` and absence mean *not known*.

    ``python`` is ``X.Y.Z`` or, from a requirements text, ``X.Y``; ``magic`` is the bytecode magic number (3495 for
    3.11); ``distributions`` maps normalised names (PEP 503) to versions; ``modules`` maps top-level modules that a
    model's custom objects come from to the distribution that holds them, or to ``""`` where the module is importable
    but no one distribution holds it (a plain file, the standard library, a namespace shared by several).
    ``cuda`` and ``cudnn`` are what TensorFlow was built with; ``legacy_keras`` says that ``tf.keras`` is tf-keras.
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
    legacy_keras: bool | None = None

    @property
    def python_minor(self) -> str | None:
        """``3.11`` of ``3.11.7``."""
        return ".".join(self.python.split(".")[:2]) if self.python else None

    @property
    def tensorflow(self) -> str | None:
        """TensorFlow's version under whichever of its names it is installed."""
        return next((self.distributions[name] for name in TENSORFLOW_DISTRIBUTIONS if name in self.distributions), None)

    @property
    def keras(self) -> str | None:
        """The version that ``import keras`` gives; failing that, of the Keras inside TensorFlow 1.13 to 2.5."""
        installed = self.distributions.get("keras") or self.distributions.get("keras-nightly")
        release = re.match(r"(\d+)\.(\d+)", self.tensorflow or "")
        if installed is not None or release is None:
            return installed
        return KERAS_OF_TENSORFLOW.get((int(release[1]), int(release[2])))


def to_document(environment: Environment) -> bytes:
    """The canonical bytes of ``environment``; raises ``DocumentError`` for a text that is not valid Unicode."""
    return canonical_json(to_document_value(environment))


def to_document_value(environment: Environment) -> dict[str, Json]:
    """The same as plain JSON values, for an output that prints the document itself."""
    return {"schema": SCHEMA, **cast(dict[str, Json], to_json(environment))}


def from_document(data: bytes, *, what: str = "the environment document") -> Environment:
    """Read what ``to_document`` or the probe wrote; raises ``DocumentError`` in the name of ``what``."""
    value = parse_json(data, what=what, size_bytes_max=DOCUMENT_SIZE_BYTES_MAX)
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema != SCHEMA:
        raise DocumentError(
            f"{what} is no environment document: its schema is {str(schema)[:60]!r}, not {SCHEMA!r}",
            hint="make one with: modelreg env capture --python EXE -o FILE",
        )
    return from_json(Environment, value, what=what)
