"""Which Keras a target environment has, and what is known of that release."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from modelreg.environment.document import KERAS_OF_TENSORFLOW, Environment
from modelreg.rules.keras_tables import Release, release_of

NEWEST = "3"
"""Where only the major version is known: the tables give the newest release of it."""
UNKNOWN_VERSION = (999,)
"""A text that starts with no number counts as newest, so that nothing old is assumed of it."""


class Line(enum.StrEnum):
    """The code bases that have been Keras."""

    STANDALONE = "keras"
    """Keras up to 2.3, over TensorFlow, Theano or CNTK."""
    TF_KERAS = "tf.keras"
    """Keras 2 over TensorFlow alone: inside TensorFlow up to 2.5, ``keras`` 2.4 to 2.15, ``tf-keras`` since."""
    KERAS3 = "keras3"


@dataclass(frozen=True, slots=True)
class Reader:
    """The Keras that ``load_model`` of a target belongs to.

    ``version`` is compared, ``label`` is shown.  ``release`` is what the tables know of it: the release itself, or the
    nearest one that they have.
    """

    line: Line
    version: tuple[int, ...]
    label: str
    release: Release
    tensorflow: tuple[int, ...] | None = None
    h5py: tuple[int, ...] | None = None
    cpu_only: bool = False
    """Whether its TensorFlow was built without GPUs (``tensorflow-cpu``)."""

    def __str__(self) -> str:
        return self.label

    @property
    def is_keras3(self) -> bool:
        return self.line is Line.KERAS3

    @property
    def reads_zip(self) -> bool:
        """Whether it knows the ``.keras`` archive (since 2.12; ``keras/saving/saving_api.py``)."""
        return self.version >= (2, 12)


def numbers(version: str | None) -> tuple[int, ...]:
    """The leading numbers of a version."""
    match = re.match(r"\d{1,6}(?:\.\d{1,6})*", version or "", re.ASCII)
    return tuple(int(part) for part in match[0].split(".")) if match else UNKNOWN_VERSION


def reader_of(environment: Environment) -> Reader | None:
    """The Keras of ``environment``; ``None`` where neither Keras nor TensorFlow is told.

    With TensorFlow 2 it is what ``tf.keras`` is, for that is what most code imports; before, the ``keras`` package
    where there is one.
    """
    found = _found(environment)
    if found is None:
        return None
    tensorflow, h5py = environment.tensorflow, environment.distributions.get("h5py")
    return Reader(
        found.line,
        numbers(found.compared),
        found.label,
        release_of(found.distribution, found.version),
        numbers(tensorflow) if tensorflow else None,
        numbers(h5py) if h5py else None,
        "tensorflow-cpu" in environment.distributions and "tensorflow" not in environment.distributions,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """A distribution that holds a Keras; ``compared`` is that Keras's own version."""

    line: Line
    distribution: str
    version: str
    label: str
    compared: str


def _found(environment: Environment) -> _Found | None:
    installed = environment.distributions.get("keras") or environment.distributions.get("keras-nightly")
    legacy = environment.distributions.get("tf-keras")
    tensorflow = environment.tensorflow
    carries_its_own = tensorflow is not None and numbers(tensorflow) < (2, 6)
    if legacy and (environment.legacy_keras or (installed is None and tensorflow is None)):
        return _Found(Line.TF_KERAS, "tf-keras", legacy, f"tf-keras {legacy}", legacy)
    if tensorflow and carries_its_own and (installed is None or numbers(tensorflow) >= (2,)):
        major, minor, *_ = (*numbers(tensorflow), 0)
        carried = KERAS_OF_TENSORFLOW.get((major, minor), "2.1.6")  # TensorFlow 1.12 and before
        return _Found(Line.TF_KERAS, "tensorflow", tensorflow, f"the Keras of TensorFlow {tensorflow}", carried)
    if installed:
        return _Found(_line_of(installed), "keras", installed, f"Keras {installed}", installed)
    if tensorflow and numbers(tensorflow) >= (2, 16):
        # TensorFlow requires Keras 3 since 2.16 (its release notes); which one is not told.
        return _Found(Line.KERAS3, "keras", NEWEST, f"the Keras 3 of TensorFlow {tensorflow}", NEWEST)
    if tensorflow:
        release = ".".join(str(number) for number in numbers(tensorflow)[:2])
        return _Found(Line.TF_KERAS, "keras", release, f"the Keras 2 of TensorFlow {tensorflow}", release)
    return None


def _line_of(keras: str) -> Line:
    if numbers(keras) >= (3,):
        return Line.KERAS3
    return Line.TF_KERAS if numbers(keras) >= (2, 4) else Line.STANDALONE
