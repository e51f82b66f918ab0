"""Differences of two architectures, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from modelreg.comparison.difference import Change, LayerChange
from modelreg.comparison.fields import field_differences
from modelreg.configuration import JsonValue
from modelreg.environment import Difference as FieldDifference
from modelreg.semantic.architecture import CONNECTIONS, json_text, layer_arguments, model_arguments


@dataclass(frozen=True, slots=True)
class Layers:
    """What differs, and how many layers do not."""

    changes: tuple[LayerChange, ...]
    alike: int
    model: tuple[FieldDifference, ...]


@dataclass(frozen=True, slots=True)
class _Layer:
    path: str
    class_name: str
    arguments: Mapping[str, str]

    @property
    def own(self) -> tuple[str, str, Mapping[str, str]]:
        """What makes it the same layer under another name."""
        outer = self.path.rpartition("/")[0]
        return outer, self.class_name, {key: text for key, text in self.arguments.items() if key != CONNECTIONS}


def layer_differences(left: JsonValue, right: JsonValue) -> Layers:
    """Compare two values that ``normal_model`` gave; layers are matched by path, then renamed ones by what they are."""
    ours = {layer.path: layer for layer in (_Layer(*told) for told in layer_arguments(left))}
    theirs = {layer.path: layer for layer in (_Layer(*told) for told in layer_arguments(right))}
    removed = [layer for path, layer in ours.items() if path not in theirs]
    added = [layer for path, layer in theirs.items() if path not in ours]
    changes = [change for path in ours if path in theirs and (change := _change(ours[path], theirs[path]))]
    alike = len(ours) - len(removed) - len(changes)
    renamed, removed, added = _renamed(removed, added)
    changes += renamed
    changes += [LayerChange(Change.REMOVED, layer.path, left_class=layer.class_name) for layer in removed]
    changes += [LayerChange(Change.ADDED, layer.path, right_class=layer.class_name) for layer in added]
    model = field_differences(model_arguments(left), model_arguments(right))
    return Layers(tuple(changes), alike, (*model, *_order(ours, theirs)))


def _order(ours: Mapping[str, _Layer], theirs: Mapping[str, _Layer]) -> tuple[FieldDifference, ...]:
    """The order of the layers that both have, which is what a Sequential model runs them in."""
    left = [path for path in ours if path in theirs]
    right = [path for path in theirs if path in ours]
    return () if left == right else (FieldDifference("layer order", json_text([*left]), json_text([*right])),)


def _change(left: _Layer, right: _Layer) -> LayerChange | None:
    arguments = field_differences(left.arguments, right.arguments)
    if left.class_name == right.class_name and not arguments:
        return None
    return LayerChange(Change.CHANGED, left.path, left.class_name, right.class_name, arguments=arguments)


def _renamed(removed: list[_Layer], added: list[_Layer]) -> tuple[list[LayerChange], list[_Layer], list[_Layer]]:
    """Layers that differ by name alone, the first with the first that is like it; and what is left of both lists."""
    waiting: dict[str, list[_Layer]] = {}
    for layer in reversed(added):
        waiting.setdefault(repr(layer.own), []).append(layer)
    changes, gone = [], []
    for layer in removed:
        candidates = waiting.get(repr(layer.own))
        if candidates:
            partner = candidates.pop()
            changes.append(
                LayerChange(Change.RENAMED, layer.path, layer.class_name, partner.class_name, renamed_to=partner.path)
            )
        else:
            gone.append(layer)
    new = {layer.path for layers in waiting.values() for layer in layers}
    return changes, gone, [layer for layer in added if layer.path in new]
