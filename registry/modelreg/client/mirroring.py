"""From one registry to another: every version of some models, several models at once."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator
from itertools import chain

from modelreg.client.moving import Receiver, inspector_on_demand
from modelreg.client.packing import offer_of
from modelreg.client.results import Received
from modelreg.db.records import Index
from modelreg.errors import UsageError
from modelreg.manifest import IndexEntry
from modelreg.parallel import Pool
from modelreg.refs import NAME_LENGTH_MAX
from modelreg.store.base import Store

MODELS_AT_ONCE = 4
_PAGE = 500


def wanted_names(names: Iterable[str], patterns: Iterable[str]) -> tuple[str, ...]:
    """The names that one of ``patterns`` fits, all for none; ``*`` is any text, also with ``/`` in it."""
    patterns = tuple(patterns)
    for pattern in patterns:
        if not pattern or len(pattern) > NAME_LENGTH_MAX:
            raise UsageError(f"--filter {pattern[:140]!r} fits no name", hint="--filter 'team/*'")
    return tuple(
        name for name in names if not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    )


def mirror(store: Store, index: Index, names: tuple[str, ...], receiver: Receiver) -> tuple[Received, ...]:
    """Let ``receiver`` take in every version of ``names``; an error that is no version's ends it, and is raised."""

    def receive_model(name: str) -> list[Received]:
        received: list[Received] = []
        with inspector_on_demand() as inspector:
            for entry in _entries(index, name):
                pool.check()
                received.append(receiver.receive(store, offer_of(entry), inspector))
        return received

    with Pool(MODELS_AT_ONCE, "mirror") as pool:
        return tuple(chain.from_iterable(pool.map(receive_model, names)))


def _entries(index: Index, name: str) -> Iterator[IndexEntry]:
    after: tuple[str, int] | None = None
    while page := index.versions(name, limit=_PAGE, after=after):
        yield from page
        after = (name, page[-1].version)
