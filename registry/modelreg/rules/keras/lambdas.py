"""Whether a target's Keras can rebuild the functions that Lambda layers carry, their Python apart.

Keras 3 gives a Lambda's code no globals but those of its own ``python_utils``, passes a JSON list where Python wants a
tuple of defaults, and never stores keyword-only defaults (``keras/src/utils/python_utils.py``, ``func_dump`` and
``func_load``, 3.0 to 3.15.1).  Keras 2 gives it the globals of its own ``lambda_layer`` module (``core.py`` before 2.6)
and of the module that it was defined in, if the loading process has imported that (``_parse_function_from_config``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from modelreg.configuration.walk import Node
from modelreg.facts import Container, Facts, LambdaCode
from modelreg.findings import Outcome
from modelreg.rules.keras.reader import Line, Reader
from modelreg.rules.keras.trouble import Trouble

_KERAS3_GLOBALS = frozenset({"binascii", "codecs", "marshal", "os", "python_types"})
_USUAL_NAMES = frozenset({"tf", "np", "keras", "os", "sys", "json", "time"})
"""What a script that loads models may well have imported itself, so that its ``__main__`` has them."""
_MAIN = "__main__"
_KERAS_PARTS = frozenset({"activations", "backend", "layers", "losses", "models", "ops", "random", "utils"})
"""Modules below ``keras``: a ``K`` with one of these is Keras itself, as a script that loads a model has it, and any
other is the backend."""
_STANDALONE_GLOBALS = frozenset({"K", "activations", "constraints", "copy", "initializers", "np", "regularizers"})
"""``keras/layers/core.py`` of 2.2.0 to 2.3.1."""
_TF_KERAS_GLOBALS = frozenset({"np", "sys", "textwrap", "warnings", "Layer", "generic_utils", "tf_inspect", "tf_utils"})
"""What the module of ``Lambda`` has had in every tf.keras from TensorFlow 2.4 on."""
_TF_SINCE, _K_UNTIL = (2, 6), (2, 8)
"""``import tensorflow.compat.v2 as tf`` came with ``keras`` 2.6, ``backend as K`` went in 2.8."""


_LOADED_ROOTS = frozenset({"keras", "tensorflow", "tf_keras"})
"""Modules below these are imported wherever tf.keras is, and so their names are there."""


def lambda_troubles(
    facts: Facts, nodes: Sequence[Node], reader: Reader, provided: Collection[str] | None
) -> Iterator[Trouble]:
    """What goes wrong with each Lambda's names, defaults and closure in ``reader``.

    ``provided`` is ``None`` where it is not known what the loader has.
    """
    if facts.container is Container.SAVED_MODEL:
        return  # the layers are graph functions too, and those are what runs
    modules = {node.path: node.arguments.get("module") for node in nodes if node.bare_name == "Lambda"}
    for code in facts.lambdas:
        if code.pythons:
            module = str(modules.get(code.path) or _MAIN)
            yield from _lost(code)
            yield from _defaults(code, reader)
            if reader.is_keras3 or module.partition(".")[0] not in _LOADED_ROOTS:
                yield from _names(code, module, reader, provided)


def output_shape_troubles(nodes: Sequence[Node], reader: Reader) -> Iterator[Trouble]:
    """Keras 3.0 to 3.3 keeps a stored output shape as a list, and then adds it to a tuple (``lambda_layer.py``)."""
    if not reader.is_keras3 or reader.version >= (3, 4):
        return
    for node in nodes:
        if node.bare_name == "Lambda" and isinstance(node.arguments.get("output_shape"), list):
            yield Trouble(
                "MR418",
                f"layer {node.layer!r} has a stored output_shape, which {reader} keeps as a list: 'can only "
                "concatenate tuple to tuple'",
                f"layer {node.path!r} (Lambda)",
                Outcome.LOAD_ERROR,
                "install Keras 3.4 or later there",
            )


def _names(code: LambdaCode, module: str, reader: Reader, provided: Collection[str] | None) -> Iterator[Trouble]:
    missing = [name for name in code.globals if not _has_global(name, reader, provided or ())]
    if not missing:
        return
    told = ", ".join(repr(name) for name in missing[:6])
    if reader.is_keras3:
        yield Trouble(
            "MR417",
            f"layer {code.layer!r} uses {told}, which {reader} never gives to a Lambda's code: it fails as 'could not "
            "automatically infer the shape of the Lambda's output' or as a NameError",
            place(code),
            Outcome.LOAD_ERROR,
        )
        return
    is_mains = module == _MAIN and reader.line is not Line.STANDALONE
    may_be_there = is_mains and all(_is_usual(name, code) for name in missing)
    yield Trouble(
        "MR417",
        f"layer {code.layer!r} uses {told}, which {reader} gives to a Lambda's code only if custom_objects or the "
        "module that it was defined in has it",
        place(code),
        Outcome.LOAD_ERROR,
        fix=f"load with custom_objects={{{missing[0]!r}: {missing[0]}}}",
        is_certain=provided is not None and not may_be_there,
    )


def _is_usual(name: str, code: LambdaCode) -> bool:
    """Whether the script that loads the model may well have this name, and mean the same by it."""
    return name in _USUAL_NAMES or (name == "K" and not _KERAS_PARTS.isdisjoint(code.names))


def _has_global(name: str, reader: Reader, provided: Collection[str]) -> bool:
    if reader.is_keras3:
        return name in _KERAS3_GLOBALS
    if name in provided:
        return True
    if reader.line is Line.STANDALONE:
        return name in _STANDALONE_GLOBALS
    if name in ("tf", "K"):
        return reader.version >= _TF_SINCE if name == "tf" else reader.version < _K_UNTIL
    return name in _TF_KERAS_GLOBALS


def _defaults(code: LambdaCode, reader: Reader) -> Iterator[Trouble]:
    if reader.is_keras3 and code.defaults is not None:
        yield Trouble(
            "MR418",
            f"layer {code.layer!r} has default values ({', '.join(code.defaults)}), which {reader} passes to Python as "
            "a list: 'arg 4 (defaults) must be None or tuple'",
            place(code),
            Outcome.LOAD_ERROR,
        )


def _lost(code: LambdaCode) -> Iterator[Trouble]:
    """What ``func_dump`` never stores, so that no Keras can rebuild the function."""
    if code.keyword_only:
        yield Trouble(
            "MR418",
            f"layer {code.layer!r} has the keyword-only parameters {', '.join(code.keyword_only)}, whose default "
            "values no Keras stores",
            place(code),
            Outcome.PREDICT_ERROR,
            is_certain=False,
        )
    stored = len(code.closure or ())
    if stored != len(code.free_variables):
        yield Trouble(
            "MR418",
            f"layer {code.layer!r} takes {len(code.free_variables)} values from around it "
            f"({', '.join(code.free_variables)}), and {stored} are stored: 'arg 5 (closure) must be tuple'",
            place(code),
            Outcome.LOAD_ERROR,
        )
    for name, value in zip(code.free_variables, code.closure or (), strict=False):
        if value.startswith(("{", '"')):
            yield Trouble(
                "MR418",
                f"layer {code.layer!r} takes {name!r} from around it, which was stored as {_shown(value)}: a function, "
                "layer or tensor does not survive that",
                place(code),
                Outcome.PREDICT_ERROR,
                is_certain='"class_name"' in value,
            )


def place(code: LambdaCode) -> str:
    """Where a Lambda sits, as every finding about one says it."""
    return f"layer {code.path!r} (Lambda)"


def _shown(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
