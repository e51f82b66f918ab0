"""The one door to Keras: load after a passed verdict, from bytes that were verified on their way into a private folder.

Invariants:

* a refused verdict raises before Keras or TensorFlow is imported;
* Keras opens files that nobody else has a name for: they are written, verified, into a folder of mode 0700 made for
  this one load, so that between check and load there is no path that another user could have changed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import shutil
import sys
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Unpack

from modelreg.client.checks import Checks, accepted
from modelreg.client.registry import Registry as _Registry
from modelreg.errors import LoadError
from modelreg.facts import Container, Facts
from modelreg.rules import Purpose

_SUFFIXES = {Container.KERAS_HDF5: ".h5", Container.KERAS_ZIP: ".keras"}
"""Keras picks its reader by suffix, so the private copy has the suffix of what the bytes are."""


class Registry(_Registry):
    """A registry of models that can also load them; see the methods of the base class for everything else."""

    def load(
        self,
        reference: str,
        custom_objects: Mapping[str, object] | None = None,
        *,
        safe_mode: bool = True,
        compile: bool = False,  # noqa: A002 - Keras's own name for it
        **checks: Unpack[Checks],
    ) -> Any:
        """Verify a version, then have this process's Keras load exactly the verified bytes.

        ``custom_objects`` are the classes and functions that the model needs, by name; what it needs and is neither
        here nor registered with Keras is refused.  ``compile`` restores the optimizer and the loss too.  A
        SavedModel comes back as a ``TFSMLayer`` under Keras 3, which can predict and not train.

        Raises ``RefusedError`` before Keras is imported, ``LoadError`` when Keras is missing or fails all the same.
        """
        from modelreg.client.replay import require_keras

        objects = dict(custom_objects or {})
        entry, judgement = self.judge(reference, Purpose.LOAD, safe_mode=safe_mode, **checks)
        if judgement.manifest and checks.get("provides") is None:
            checks["provides"] = (*objects, *_registered(judgement.manifest.facts))
            entry, judgement = self.judge(reference, Purpose.LOAD, safe_mode=safe_mode, **checks)
        name = f"{entry.model}:{entry.version}"
        manifest = accepted(judgement, f"{name} was not loaded")
        require_keras()
        folder = Path(tempfile.mkdtemp(prefix="modelreg-load-"))
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            self.fetch(judgement, folder)
            model = _load(manifest.facts, folder, name, objects, safe_mode=safe_mode, compile=compile)
            if manifest.facts.container is Container.SAVED_MODEL:
                # A SavedModel's assets may be opened when it first runs: the folder lives as long as the model.
                weakref.finalize(model, stack.pop_all().close)
        return model


def _registered(facts: Facts) -> Iterator[str]:
    """The custom objects that this process has registered with Keras, by decorator or by an open scope.

    Where Keras has not been imported nothing can have been, and it is not imported to ask.
    """
    saving = getattr(sys.modules.get("keras"), "saving", None)
    if saving is None:
        return
    for wanted in facts.custom_objects:
        for name in (wanted.registered_name, wanted.class_name):
            if name is not None and saving.get_registered_object(name) is not None:
                yield name


def _load(
    facts: Facts,
    folder: Path,
    name: str,
    custom_objects: dict[str, object],
    *,
    safe_mode: bool,
    compile: bool,  # noqa: A002
) -> Any:
    with _as_load_error(name):
        keras = _keras()
        if facts.container is Container.SAVED_MODEL:
            return _load_saved_model(keras, folder, custom_objects, compile=compile)
        path = folder / facts.file
        wanted = path.with_name("model" + _SUFFIXES[facts.container])
        path.rename(wanted)
        load_model = keras.saving.load_model if hasattr(keras, "saving") else keras.models.load_model
        options: dict[str, object] = {"custom_objects": custom_objects, "compile": compile}
        if "safe_mode" in inspect.signature(load_model).parameters:
            options["safe_mode"] = safe_mode
        return load_model(str(wanted), **options)


def _keras() -> Any:
    """``keras``, or the ``tf.keras`` of a TensorFlow that carries its own."""
    if importlib.util.find_spec("keras") is not None:
        import keras

        return keras
    import tensorflow as tf

    return tf.keras


def _load_saved_model(keras: Any, folder: Path, custom_objects: dict[str, object], *, compile: bool) -> Any:  # noqa: A002
    if int(keras.__version__.split(".")[0]) < 3:
        return keras.models.load_model(str(folder), custom_objects=custom_objects, compile=compile)
    import tensorflow as tf

    endpoints = tf.saved_model.load(str(folder)).signatures
    endpoint = "serving_default" if "serving_default" in endpoints else next(iter(endpoints), None)
    if endpoint is None:
        raise LoadError(
            "the SavedModel has no serving signature, so TFSMLayer cannot run it", hint="export it with model.export()"
        )
    return keras.layers.TFSMLayer(str(folder), call_endpoint=endpoint)


@contextlib.contextmanager
def _as_load_error(name: str) -> Iterator[None]:
    """Whatever Keras raises, as ``LoadError`` with Keras's own words and the original as its cause."""
    try:
        yield
    except LoadError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise LoadError(
            f"Keras could not load {name}, although its bytes are what was pushed: {type(error).__name__}: "
            f"{reason[:1000]}",
            hint="the bytes are intact; compare environments with `modelreg show` and `modelreg env capture`",
        ) from error
