"""Which tensor of one model answers to which of the other, whatever containers they are in."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter

from modelreg.comparison.difference import Change, TensorChange, TensorSide
from modelreg.facts import Distance, Facts, Tensor
from modelreg.semantic import Place, is_training_state, places_of


@dataclass(frozen=True, slots=True)
class Pair:
    """The same tensor on both sides."""

    left: Tensor
    right: Tensor
    layer: str | None
    is_state: bool

    @property
    def has_one_shape(self) -> bool:
        return self.left.shape == self.right.shape and self.left.dtype == self.right.dtype

    @property
    def is_alike(self) -> bool | None:
        """Whether both hold the same values; ``None`` where that is not known."""
        if not self.has_one_shape:
            return False
        if self.left.digest is None or self.right.digest is None:
            return None
        return self.left.digest == self.right.digest


@dataclass(frozen=True, slots=True)
class Matching:
    """Pairs in the order of the left side, and what is left over of either."""

    pairs: tuple[Pair, ...]
    removed: tuple[Tensor, ...]
    added: tuple[Tensor, ...]
    layers: Mapping[str, str] = field(repr=False)
    """The layer of each left-over tensor that has one, by ``left:`` or ``right:`` and path."""
    state_left_out: tuple[int, int] = (0, 0)
    """How many tensors of training state each side has, where they could not be compared."""

    @property
    def measurable(self) -> tuple[Pair, ...]:
        """The pairs whose values differ and can be read side by side."""
        return tuple(pair for pair in self.pairs if pair.is_alike is False and pair.has_one_shape)


def match_tensors(left: Facts, right: Facts) -> Matching:
    """Match by path within one kind of container, and what that leaves by place: layer, part, position.

    State of the training is matched by path only, for it has no place that containers share.
    """
    sides = _Side.of(left), _Side.of(right)
    matched: dict[str, tuple[Tensor, Tensor]] = {}
    if left.container is right.container:
        _match(sides, lambda _, tensor: tensor.path, matched)
    for key in (_by_name, _by_order, _by_content, _by_shape):
        _match(sides, key, matched)
    ours, theirs = sides
    pairs = tuple(
        Pair(*found, ours.layer(found[0]) or theirs.layer(found[1]), is_training_state(found[0]))
        for tensor in left.tensors
        if (found := matched.get(tensor.path)) is not None
    )
    counts = (0, 0)
    if left.container is not right.container:
        counts = ours.drop_state(), theirs.drop_state()
    layers = {f"left:{tensor.path}": layer for tensor in ours.rest() if (layer := ours.layer(tensor))}
    layers |= {f"right:{tensor.path}": layer for tensor in theirs.rest() if (layer := theirs.layer(tensor))}
    return Matching(pairs, tuple(ours.rest()), tuple(theirs.rest()), layers, counts)


def tensor_changes(matching: Matching, distances: Mapping[str, Distance]) -> Iterator[TensorChange]:
    """Every pair that is not alike and every tensor left over, weights before state; ``distances`` by left path."""
    changes = [
        TensorChange(
            Change.CHANGED,
            TensorSide.of(pair.left),
            TensorSide.of(pair.right),
            pair.layer,
            pair.is_state,
            distances.get(pair.left.path),
        )
        for pair in matching.pairs
        if pair.is_alike is False
    ]
    for tensor in matching.removed:
        layer = matching.layers.get(f"left:{tensor.path}")
        changes.append(TensorChange(Change.REMOVED, TensorSide.of(tensor), None, layer, is_training_state(tensor)))
    for tensor in matching.added:
        layer = matching.layers.get(f"right:{tensor.path}")
        changes.append(TensorChange(Change.ADDED, None, TensorSide.of(tensor), layer, is_training_state(tensor)))
    return iter(sorted(changes, key=attrgetter("is_state")))


@dataclass(slots=True)
class _Side:
    """What is left to be matched of one side, by path in the order of the file."""

    left: dict[str, Tensor]
    places: Mapping[str, Place]
    ranks: Mapping[tuple[int, ...], int]

    @classmethod
    def of(cls, facts: Facts) -> _Side:
        places = {place.tensor.path: place for place in places_of(facts)}
        orders = sorted({place.order for place in places.values()})
        ranks = {order: rank for rank, order in enumerate(orders)}
        return cls({tensor.path: tensor for tensor in facts.tensors}, places, ranks)

    def layer(self, tensor: Tensor) -> str | None:
        place = self.places.get(tensor.path)
        return place.layer if place and place.has_layer_name else None

    def rest(self) -> Iterable[Tensor]:
        return self.left.values()

    def drop_state(self) -> int:
        state = [path for path, tensor in self.left.items() if is_training_state(tensor)]
        for path in state:
            del self.left[path]
        return len(state)


_Key = Callable[[_Side, Tensor], Hashable | None]


def _match(sides: tuple[_Side, _Side], key: _Key, matched: dict[str, tuple[Tensor, Tensor]]) -> None:
    """Pair the tensors that have the same key; of several with one key the first with the first."""
    ours, theirs = sides
    waiting: dict[Hashable, list[Tensor]] = {}
    for tensor in reversed(theirs.left.values()):
        if (found := key(theirs, tensor)) is not None:
            waiting.setdefault(found, []).append(tensor)
    for tensor in tuple(ours.left.values()):
        candidates = waiting.get(key(ours, tensor))
        if candidates:
            partner = candidates.pop()
            matched[tensor.path] = tensor, partner
            del ours.left[tensor.path], theirs.left[partner.path]


def _by_name(side: _Side, tensor: Tensor) -> Hashable | None:
    place = side.places.get(tensor.path)
    if place is None or not (place.is_named and place.has_layer_name):
        return None
    return place.layer, place.part, place.position


def _by_order(side: _Side, tensor: Tensor) -> Hashable | None:
    """By the layer's number among those that have weights: a renamed layer, or a SavedModel, which names none."""
    place = side.places.get(tensor.path)
    if place is None or not place.is_named:
        return None
    return side.ranks[place.order], place.part, place.position, tensor.shape, tensor.dtype


def _by_content(side: _Side, tensor: Tensor) -> Hashable | None:
    place = side.places.get(tensor.path)
    if place is None or tensor.digest is None:
        return None
    return side.ranks[place.order], tensor.shape, tensor.dtype, tensor.digest


def _by_shape(side: _Side, tensor: Tensor) -> Hashable | None:
    place = side.places.get(tensor.path)
    return None if place is None else (side.ranks[place.order], tensor.shape, tensor.dtype)
