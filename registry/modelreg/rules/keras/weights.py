"""Whether the weights lie where the reader looks for them, and as numbers.

In a ``.keras`` archive Keras 2.12 to 2.14 name the groups after ``_layer_checkpoint_dependencies``, 2.15 and later
after ``layers``; 2.12 and 2.13 count every layer that has weights twice, so that the second ``Dense`` is ``dense_2``;
Keras 3 reads both roots but counts each layer once.

Sources: ``_save_container_state`` and ``_load_container_state`` of ``keras/saving/saving_lib.py`` (2.12.0) and
``keras/src/saving/saving_lib.py`` (2.13.1, 2.14.0, 2.15.0, 3.15.1: ``H5IOStore``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from modelreg.configuration.walk import Node
from modelreg.facts import Container, Facts
from modelreg.findings import Outcome
from modelreg.rules.keras.reader import Reader
from modelreg.rules.keras.trouble import Trouble

_OLD_ROOT = "_layer_checkpoint_dependencies"
_NEW_ROOT = "layers"
_RULE = "MR422"


def weight_troubles(facts: Facts, nodes: Sequence[Node], reader: Reader) -> Iterator[Trouble]:
    """The one reason why the weights do not find their layers, if there is one."""
    if facts.container is Container.KERAS_HDF5:
        yield from _without_numbers(facts, reader)
    if facts.container is not Container.KERAS_ZIP or not reader.reads_zip:
        return
    root = _root(facts)
    if root is None:
        return
    expected = _NEW_ROOT if reader.is_keras3 or reader.version >= (2, 15) else _OLD_ROOT
    written = facts.keras_version or "an unknown version"
    if root != expected and not reader.is_keras3:
        yield Trouble(
            _RULE,
            f"Keras {written} keeps the weights under {root!r}, and {reader} looks for them under {expected!r}: its "
            "layers receive 0 variables",
            _example(facts, root),
            Outcome.LOAD_ERROR,
        )
    elif not reader.is_keras3 and _attention_without_underscore(facts):
        yield Trouble(
            _RULE,
            f"Keras {written} keeps the weights of attention under 'query_dense', and {reader} looks for them under "
            "'_query_dense': the layers inside receive 0 variables",
            _example(facts, root),
            Outcome.LOAD_ERROR,
        )
    elif root == _OLD_ROOT and _counts_twice(facts, nodes) is not _expects_twice(reader):
        repeated = _repeated(facts, nodes)
        if repeated:
            yield Trouble(
                _RULE,
                f"Keras {written} numbers the weights of several {repeated} layers in another way than {reader}: some "
                "of its layers receive 0 variables",
                _example(facts, root),
                Outcome.LOAD_ERROR,
            )


def _attention_without_underscore(facts: Facts) -> bool:
    """Keras 3 has a property ``query_dense``, and visits private names last (``_name_key`` in its ``saving_lib``)."""
    return any("/query_dense/" in tensor.path for tensor in facts.tensors)


def _without_numbers(facts: Facts, reader: Reader) -> Iterator[Trouble]:
    """bfloat16, which HDF5 does not have: the legacy writer stores it as bytes, and its reader casts none.

    ``.keras`` keeps the name of the type beside it (``H5IOStore`` in ``keras/src/saving/saving_lib.py``, 3.15.1);
    ``legacy_h5_format.py`` (3.15.1) and ``legacy/hdf5_format.py`` (2.15.0) do not.
    """
    stored = next((each.path for each in facts.tensors if each.dtype == "opaque"), None)
    if stored is not None:
        yield Trouble(
            _RULE,
            f"the weights are stored as bytes without a type, as bfloat16 is in HDF5, and {reader} cannot make numbers "
            "of them: 'No cast function available'",
            f"tensor {stored!r}",
            Outcome.LOAD_ERROR,
            "save it as .keras, or as .h5 with float32 weights",
        )


def _root(facts: Facts) -> str | None:
    roots = {tensor.path.partition("/")[0] for tensor in facts.tensors}
    return next((root for root in (_OLD_ROOT, _NEW_ROOT) if root in roots), None)


def _example(facts: Facts, root: str) -> str | None:
    return next((f"tensor {each.path!r}" for each in facts.tensors if each.path.startswith(root + "/")), None)


def _expects_twice(reader: Reader) -> bool:
    return not reader.is_keras3 and reader.version < (2, 14)


def _counts_twice(facts: Facts, nodes: Sequence[Node]) -> bool:
    """Whether a group's number is beyond what counting once can give."""
    counts = _members(nodes)
    return any(number >= counts[name] for name, number in _groups(facts) if name in counts)


def _groups(facts: Facts) -> frozenset[tuple[str, int]]:
    """Class and number of every group of weights under the root, ``dense`` being number 0 and ``dense_1`` number 1."""
    names = {tensor.path.split("/")[1] for tensor in facts.tensors if tensor.path.startswith(_OLD_ROOT + "/")}
    matches = (re.fullmatch(r"(.+?)(?:_(\d{1,6}))?", name, re.ASCII) for name in names)
    return frozenset((match[1], int(match[2] or 0)) for match in matches if match)


def _repeated(facts: Facts, nodes: Sequence[Node]) -> str | None:
    """A class that stands more than once among the root's layers with weights."""
    members = _members(nodes)
    groups = Counter(name for name, _ in _groups(facts) if name in members)
    return next((name for name, count in sorted(groups.items()) if count > 1), None)


def _members(nodes: Sequence[Node]) -> Mapping[str, int]:
    """How often each class stands among the root model's own layers, by the name that its group has."""
    root = nodes[0] if nodes else None
    return Counter(snake_case(node.bare_name) for node in nodes if node.parent is root and node.key == "layers")


def snake_case(name: str) -> str:
    """Keras's own spelling rule (``to_snake_case`` in ``keras/src/utils/naming.py``, 3.15)."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
