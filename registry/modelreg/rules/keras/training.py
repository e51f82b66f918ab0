"""Whether the training configuration can be restored too: what ``compile=True``, the default, stumbles over.

A model whose training state is lost still predicts, so everything here is only likely trouble, and the fix is the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from modelreg.configuration.walk import FUNCTION, TRAINING_ROLES, Node
from modelreg.facts import Container, Facts
from modelreg.findings import Outcome
from modelreg.rules.keras.reader import Reader
from modelreg.rules.keras.trouble import Trouble
from modelreg.rules.keras_tables import history

_RULE = "MR424"
_FIX = "load_model(PATH, compile=False), then compile again"


def training_troubles(
    facts: Facts, nodes: Sequence[Node], reader: Reader, provided: Collection[str]
) -> Iterator[Trouble]:
    """Losses, metrics and optimizers that this reader does not restore."""
    for node in nodes:
        if node.role not in TRAINING_ROLES or node.bare_name in provided:
            continue
        name = node.function_name or node.bare_name
        if reader.is_keras3 and facts.container is Container.KERAS_HDF5 and node.is_name and node.role != "optimizer":
            yield _trouble(
                node,
                f"the {node.role} is the bare name {name!r}, which {reader} does not restore from HDF5 "
                "('Could not locate function', 'not a KerasSaveable subclass')",
            )
            continue
        entry = reader.release.legacy(str(node.role), name)
        if entry is None:
            if history(str(node.role), name):
                yield _trouble(node, f"{node.role} {name!r} is not in {reader}")
            continue
        if node.class_name != FUNCTION and not entry.open:
            unknown = [key for key in node.arguments if key not in entry.arguments and key not in entry.drops]
            if unknown:
                yield _trouble(node, f"{node.role} {name!r} has {unknown[0]!r}, which {reader} does not accept")


def _trouble(node: Node, message: str) -> Trouble:
    return Trouble(_RULE, message, node.path or None, Outcome.COMPILE_ERROR, _FIX, is_certain=False)
