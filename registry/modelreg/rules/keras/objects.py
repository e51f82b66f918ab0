"""Whether a target's Keras knows every class, function, module and argument of a configuration.

Sources: ``keras/src/saving/serialization_lib.py`` and ``keras/src/legacy/saving/saving_utils.py`` (3.15),
``keras/src/saving/legacy/serialization.py`` (2.15), ``keras/utils/generic_utils.py`` (2.3); which classes and
arguments each release has is data (``keras_tables``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from modelreg.configuration.walk import FUNCTION, LAMBDA, TRAINING_ROLES, Node, role_of
from modelreg.findings import Outcome
from modelreg.rules.keras.reader import Reader
from modelreg.rules.keras.trouble import Trouble
from modelreg.rules.keras_tables import Entry, argument_history, history

_MODELS = frozenset({"Functional", "Model", "Sequential", "Network"})
_GRAMMAR = frozenset({LAMBDA, "__tuple__", "__numpy__", "__tensor__", "__keras_tensor__", "__typespec__", "__slice__"})
_IMPORTS_ACTIVATIONS = (3, 10)
"""``activations.get`` deserialises a dict by its module, layers included, since then."""
_LOOKS_UP_TEXTS = (3, 14)
"""Since then texts are looked up among ``keras.layers`` too, and not among custom objects alone."""
_LEGACY_LAMBDA_ARGUMENTS = frozenset({"module", "function_type", "output_shape_type", "output_shape_module"})
"""What ``model_from_config`` of Keras 3 takes away from a Lambda of Keras 2 (``LAMBDA_DEP_ARGS``)."""


@dataclass(frozen=True, slots=True)
class Found:
    """How a reader resolves one object: the entry, or the reason why it does not."""

    entry: Entry | None = None
    trouble: Trouble | None = None


def object_troubles(
    nodes: Sequence[Node], reader: Reader, provided: Collection[str], custom: Collection[str]
) -> Iterator[Trouble]:
    """Everything in the model's own configuration that this reader stumbles over; training is left out.

    ``provided`` are the names that the loader registers, ``custom`` those of all custom objects (MR420 speaks of them).
    """
    for node in nodes:
        if node.role in TRAINING_ROLES or node.class_name in _GRAMMAR:
            continue
        if _is_named_in(node, provided) or _is_named_in(node, custom):
            continue
        found = resolve(node, reader)
        if found.trouble is not None:
            yield found.trouble
        elif found.entry is not None:
            yield from _argument_troubles(node, found.entry, reader)


def _is_named_in(node: Node, names: Collection[str]) -> bool:
    own = (node.class_name, node.bare_name, node.registered_name, node.function_name)
    return any(name in names for name in own if name)


def resolve(node: Node, reader: Reader) -> Found:
    """What ``reader`` takes ``node`` for.  A custom object gives neither entry nor trouble: that is MR420."""
    if ">" in (node.function_name or node.class_name) and not node.bare_name.startswith("__"):
        return Found()  # registered under a package's name, so a custom object
    if node.class_name == FUNCTION:
        return _function(node, str(node.function_name), reader)
    if node.is_name:
        return _function(node, node.class_name, reader)
    if node.key == "dtype":
        return _policy(node, reader)
    if role_of(node.key) == "activation":
        return _activation(node, reader)
    if node.role == "layer":
        return _layer(node, reader)
    return _part(node, reader)


def speaks_version3(node: Node, reader: Reader) -> bool:
    """Whether ``reader`` looks this layer up by module and not by name alone.

    Keras 3 takes a layer without a module for legacy, but only as a model's own; what stands inside a wrapper goes
    through ``serialization_lib`` (``Wrapper.from_config``, ``Bidirectional.from_config``, ``RNN.from_config``).
    """
    if node.parent is None:
        return node.has_module
    if reader.is_keras3:
        return node.has_module or node.key != "layers"
    return node.has_module and reader.reads_zip


def _layer(node: Node, reader: Reader) -> Found:
    name = node.bare_name
    if not speaks_version3(node, reader):
        entry = reader.release.legacy("layer", name)
        return Found(entry) if entry else _absent(node, "layer", name, reader)
    if node.module is None:
        return _without_module(node, reader)
    entry = reader.release.imported(node.module, name) or _beside_tensorflow(node.module, name, reader)
    if entry is not None:
        return Found(entry)
    if not _is_kerases(node.module):
        return Found()
    if not reader.release.has_module(node.module):
        return Found(trouble=_module_gone(node, reader))
    return _absent(node, "layer", name, reader)


def _beside_tensorflow(module: str, name: str, reader: Reader) -> Entry | None:
    """Exports that Keras 3 registers only as ``tf.keras`` imports ``keras._tf_keras``, before 3.10."""
    entry = reader.release.by_name(name) if reader.tensorflow else None
    return entry if entry is not None and f"{module}.{name}" in entry.exports else None


def _without_module(node: Node, reader: Reader) -> Found:
    if node.has_module or not history("layer", node.bare_name):
        return Found()  # a null module is a custom object's
    return Found(
        trouble=Trouble(
            "MR416",
            f"{_said(node)} is written without its module, as Keras before 2.13 does, and {reader} looks up layers "
            "inside a wrapper by module only",
            place(node),
            Outcome.LOAD_ERROR,
        )
    )


def _is_kerases(module: str) -> bool:
    return module.partition(".")[0] in ("keras", "tf_keras", "tensorflow")


def _module_gone(node: Node, reader: Reader) -> Trouble:
    module = str(node.module)
    real = reader.release.looked_for(module)
    said = "does not have" if real == module else f"looks for as {real!r} and does not have"
    return Trouble(
        "MR415",
        f"{_said(node)} comes from the module {module!r}, which {reader} {said}",
        place(node),
        Outcome.LOAD_ERROR,
    )


def _part(node: Node, reader: Reader) -> Found:
    """An initializer, regularizer or constraint: looked up by its class alone, whatever its module.

    ``get`` and ``deserialize`` of each of these modules hand their own table to ``deserialize_keras_object``.
    """
    if node.role not in ("initializer", "regularizer", "constraint"):
        return Found()
    entry = reader.release.legacy(node.role, node.bare_name)
    return Found(entry) if entry else _absent(node, node.role, node.bare_name, reader)


def _activation(node: Node, reader: Reader) -> Found:
    """An activation that is an object, a layer at times: Keras 3 finds those by their module, and since 3.10 only."""
    name = node.bare_name
    if reader.is_keras3 and reader.version >= _IMPORTS_ACTIVATIONS:
        entry = reader.release.imported(node.module or "", name)
    else:
        entry = reader.release.legacy("activation", name)
        if entry is None and not reader.is_keras3:
            entry = reader.release.legacy("layer", name)
    return Found(entry) if entry else _absent(node, "activation", name, reader)


def _function(node: Node, name: str, reader: Reader) -> Found:
    role = node.role or "object"
    if role not in ("initializer", "regularizer", "constraint", "activation"):
        return Found()
    if _finds_function(node, role, name, reader):
        return Found()
    return _absent(node, role, name, reader)


def _finds_function(node: Node, role: str, name: str, reader: Reader) -> bool:
    if reader.release.legacy(role, name):
        return True
    if role == "activation" and not reader.is_keras3 and reader.release.legacy("layer", name):
        return True
    if node.is_name or node.module is None or not reader.reads_zip:
        return False
    # Keras 2.12 to 2.15 imports any module, TensorFlow's own too; Keras 3 only Keras's.
    is_tensorflows = node.module.partition(".")[0] == "tensorflow" and not reader.is_keras3
    return is_tensorflows or reader.release.imported(node.module, name) is not None


def _policy(node: Node, reader: Reader) -> Found:
    """A dtype policy: a dict under ``dtype``."""
    entry = reader.release.by_name(node.bare_name)
    if entry is not None:
        return Found(entry)
    return Found(
        trouble=Trouble(
            "MR425",
            f"layer {node.layer!r} has the dtype policy {node.bare_name!r}, which {reader} does not know",
            place(node),
            Outcome.LOAD_ERROR,
        )
    )


def _absent(node: Node, role: str, name: str, reader: Reader) -> Found:
    """A name that this reader lacks, or does not look for where it stands."""
    elsewhere = reader.release.by_name(name)
    if elsewhere is not None and elsewhere.role == "operation":
        known = "it is an operation there, and HDF5 is read for layers only"
    else:
        known = history(role, name)
    return Found(
        trouble=Trouble(
            "MR413",
            f"{_said(node, role, name)} is not in {reader}" + (f": {known}" if known else ""),
            place(node),
            Outcome.LOAD_ERROR,
            "save it as .keras" if elsewhere is not None and elsewhere.role == "operation" else None,
        )
    )


def _argument_troubles(node: Node, entry: Entry, reader: Reader) -> Iterator[Trouble]:
    if entry.open or node.bare_name in _MODELS or isinstance(node.config, list):
        return
    for name in sorted(entry.required.difference(node.arguments)) if node.is_layer else ():
        if role_of(name) != "layer":
            yield Trouble(
                "MR414",
                f"{_said(node)} lacks the argument {name!r}, which {reader} needs",
                place(node),
                Outcome.LOAD_ERROR,
                "load it with the Keras that wrote it",
            )
    yield from _mistaken_texts(node, reader)
    unknown = [name for name in node.arguments if not _accepts(node, name, entry, reader)]
    for name in unknown:
        value = node.arguments[name]
        yield Trouble(
            "MR414",
            f"{_said(node)} has the argument {name!r} ({_shown(value)}), which {reader} does not accept"
            + _argument_history(entry, name),
            place(node),
            Outcome.LOAD_ERROR,
        )


def _mistaken_texts(node: Node, reader: Reader) -> Iterator[Trouble]:
    """Keras 3 replaces a legacy layer's text by the function of that name in ``keras.layers``, such as ``dot``.

    ``class_and_config_for_serialized_keras_object`` in ``keras/src/legacy/saving/serialization.py``.
    """
    if not node.is_layer or not reader.is_keras3 or speaks_version3(node, reader):
        return
    if reader.version < _LOOKS_UP_TEXTS:
        return
    for key, value in node.arguments.items():
        entry = reader.release.legacy("layer", value) if isinstance(value, str) and key != "name" else None
        if entry is not None and entry.kind == "function":
            yield Trouble(
                "MR414",
                f"{_said(node)} has {key} {value!r}, which {reader} takes for its function keras.layers.{value} when "
                "it reads HDF5",
                place(node),
                Outcome.LOAD_ERROR,
                "load it with Keras 3.13 or earlier, or save it as .keras",
            )


def _accepts(node: Node, name: str, entry: Entry, reader: Reader) -> bool:
    if name in entry.arguments or name in entry.drops or role_of(name) == "layer":
        return True
    if not reader.is_keras3 or speaks_version3(node, reader):
        return False
    if node.bare_name == "Lambda" and name in _LEGACY_LAMBDA_ARGUMENTS:
        return True
    return name == "batch_input_shape"


def _argument_history(entry: Entry, name: str) -> str:
    """`` (removed in Keras 3.0.0)``, or nothing where the tables do not know the argument."""
    told = argument_history(entry.role, entry.name, name)
    return f" ({told})" if told else ""


def place(node: Node) -> str | None:
    """Where an object sits, as findings say it."""
    if not node.path:
        return None
    return f"layer {node.path!r} ({node.bare_name})" if node.is_layer else f"layer {node.path!r}"


def _said(node: Node, role: str | None = None, name: str | None = None) -> str:
    if node.is_layer:
        return f"layer {node.layer!r} ({node.bare_name})"
    return f"{role or node.role or node.key} {name or node.bare_name!r} of layer {node.layer!r}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
