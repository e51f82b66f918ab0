"""Decides which named objects of a configuration the loader must provide, because Keras does not have them.

Two dialects.  Legacy (``.h5``, Keras 1 and 2): a bare class or function name, or ``package>Name`` if it was registered.
Version 3 (``.keras``, Keras 2.12 and later): ``module`` and ``registered_name`` beside it
(``keras/src/saving/serialization_lib.py``, ``serialize_keras_object`` and ``_retrieve_class_or_fn``).
"""

from __future__ import annotations

from modelreg.facts import CustomObject
from modelreg.inspect.builtins import is_builtin
from modelreg.inspect.text import plain

TRAINING_ROLES = frozenset({"loss", "metric", "optimizer"})
_KERAS_ROOTS = frozenset({"keras", "keras_core", "keras_cv", "keras_hub", "keras_nlp", "tensorflow", "tf_keras"})
"""Packages that Keras imports by itself; ``_retrieve_class_or_fn`` knows the same ones."""


_FEATURE_COLUMNS = frozenset(
    f"{kind}Column"
    for kind in (
        *("Bucketized", "Crossed", "Embedding", "HashedCategorical", "IdentityCategorical", "Indicator", "Numeric"),
        *("SequenceCategorical", "SequenceNumeric", "SharedEmbedding", "VocabularyFileCategorical"),
        *("VocabularyListCategorical", "WeightedCategorical"),
    )
)
"""What ``DenseFeatures`` holds is TensorFlow's own (``tensorflow/python/feature_column``, 1.14 to 2.15)."""


def custom_object(
    name: str, role: str, where: str, *, module: object = None, registered_name: object = None, has_module: bool
) -> CustomObject | None:
    """The custom object that the given serialised one stands for, or ``None`` if Keras has it.

    ``has_module`` says that the version 3 dialect is spoken, in which a null module means something.
    """
    module = module if isinstance(module, str) else None
    registered = registered_name if isinstance(registered_name, str) else None
    if registered is None and ">" in name:
        registered = name
    bare = name.rpartition(">")[2]
    if _is_keras_own(bare, role, module, registered, has_module=has_module):
        return None
    if role == "object" and module is None and registered is None and bare in _FEATURE_COLUMNS:
        return None
    if module == "builtins":
        # A function by name: these two are fillers that say nothing about it.
        module, registered = None, None if registered == "function" else registered
    return CustomObject(plain(bare), role, where, _plain(module), _plain(registered))


def _is_keras_own(bare: str, role: str, module: str | None, registered: str | None, *, has_module: bool) -> bool:
    if registered is not None and ">" in registered:
        # TensorFlow 2.11 to 2.13 wrote Keras's own optimizers as ``Custom>Adam``.
        return registered == f"Custom>{bare}" and role == "optimizer" and is_builtin("optimizer", bare)
    if has_module and module != "builtins":
        return module is not None and module.split(".")[0] in _KERAS_ROOTS
    if role in TRAINING_ROLES:
        return is_builtin(role, bare) or is_builtin("object", bare)
    return is_builtin(role, bare) or (role == "activation" and is_builtin("layer", bare))


def _plain(text: str | None) -> str | None:
    return None if text is None else plain(text)
