"""From one registry to another: every version of some models, several models at once."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from modelreg.client.moving import Receiver, inspector_on_demand
from modelreg.client.packing import offer_of
from modelreg.client.results import Received
from modelreg.db.records import Index
from modelreg.errors import UsageError
from modelreg.manifest import IndexEntry
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
    with ThreadPoolExecutor(MODELS_AT_ONCE, thread_name_prefix="modelreg-mirror") as pool:
        running = [pool.submit(_model, store, index, name, receiver) for name in names]
        try:
            return tuple(received for model in running for received in model.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _model(store: Store, index: Index, name: str, receiver: Receiver) -> list[Received]:
    with inspector_on_demand() as inspector:
        return [receiver.receive(store, offer_of(entry), inspector) for entry in _entries(index, name)]


def _entries(index: Index, name: str) -> Iterator[IndexEntry]:
    after: tuple[str, int] | None = None
    while page := index.versions(name, limit=_PAGE, after=after):
        yield from page
        after = (name, page[-1].version)
