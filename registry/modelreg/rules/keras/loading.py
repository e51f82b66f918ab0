"""Plays ``load_model`` through on facts: every reason why it goes wrong with one reader, in the order of loading."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from modelreg.configuration import parse_configuration
from modelreg.configuration.walk import Node, TooDeepError, walk_model, walk_training
from modelreg.errors import DocumentError
from modelreg.facts import Container, Facts
from modelreg.findings import Finding
from modelreg.rules.catalogue import RULES
from modelreg.rules.keras.devices import device_troubles
from modelreg.rules.keras.door import door_troubles
from modelreg.rules.keras.graph import graph_troubles
from modelreg.rules.keras.impostors import impostor_troubles
from modelreg.rules.keras.lambdas import lambda_troubles, output_shape_troubles
from modelreg.rules.keras.numbers import number_troubles
from modelreg.rules.keras.objects import object_troubles
from modelreg.rules.keras.reader import Reader
from modelreg.rules.keras.structure import structure_troubles
from modelreg.rules.keras.training import training_troubles
from modelreg.rules.keras.trouble import Trouble
from modelreg.rules.keras.weights import weight_troubles

_JUDGED = frozenset({Container.KERAS_HDF5, Container.KERAS_ZIP})
"""Containers whose configuration is what gets loaded; a SavedModel's layers are graph functions too."""


_SHUT = frozenset({"MR405", "MR408"})
"""Doors behind which only the graph is looked at, which ``TFSMLayer`` runs all the same; what a renamed file would run
into (MR406) is worth knowing."""


def load_findings(facts: Facts, reader: Reader, provides: Collection[str] | None) -> Iterator[Finding]:
    """What loading the artifact with ``reader`` runs into."""
    if facts.defects:
        return
    try:
        nodes = _nodes(facts)
    except (DocumentError, TooDeepError) as error:
        yield RULES["MR308"].found(f"{facts.file}: the configuration was not judged: {error}", where=facts.file)
        return
    yield from (trouble.finding() for trouble in load_troubles(facts, nodes, reader, provides))
    if reader.is_keras3 and facts.container in _JUDGED and (facts.keras_major or 3) < 3:
        yield RULES["MR404"].found(
            f"{facts.file} was written by Keras {facts.keras_version}; the target has {reader}", where=facts.file
        )


def _nodes(facts: Facts) -> Sequence[Node]:
    if facts.container not in _JUDGED:
        return ()
    nodes = list(walk_model(parse_configuration(facts.config))) if facts.config else []
    if facts.training_config:
        nodes += walk_training(parse_configuration(facts.training_config))
    return nodes


def load_troubles(
    facts: Facts, nodes: Sequence[Node], reader: Reader, provides: Collection[str] | None
) -> Sequence[Trouble]:
    """The same as values; those that make the container unreadable as a whole come first."""
    provided = frozenset(provides or ())
    custom = {name for each in facts.custom_objects for name in (each.class_name, each.registered_name) if name}
    graph = list(graph_troubles(facts, reader, provided))
    content = [
        *object_troubles(nodes, reader, provided, custom),
        *structure_troubles(facts, nodes, reader),
        *lambda_troubles(facts, nodes, reader, provides),
        *output_shape_troubles(nodes, reader),
        *impostor_troubles(facts, nodes, reader, provided | custom),
        *weight_troubles(facts, nodes, reader),
        *graph,
        *device_troubles(nodes, reader),
        *number_troubles(facts, nodes, reader),
        *training_troubles(facts, nodes, reader, provided),
    ]
    door = list(door_troubles(facts, reader, content))
    is_shut = any(each.rule in _SHUT and each.is_certain for each in door)
    return [*door, *(graph if is_shut else content)]
