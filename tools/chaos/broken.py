"""Deliberate mistakes in the order of writes: the harness has to notice each, or it shows nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

MISTAKES = ("commit-first", "acknowledge-first")
"""``commit-first``: the row before the blobs.  ``acknowledge-first``: the answer before the commit."""


@contextmanager
def commit_first() -> Iterator[None]:
    """The version is committed, and only then its blobs are published."""
    from modelreg.client import push as module

    content, commit = module._Content, module._Commit  # noqa: SLF001
    publish, run = content.publish, commit.run

    def postponed(self: Any, _store: object, claimed: object, _progress: object) -> None:
        claimed.protect({blob.digest.sha256 for blob in self.staged})  # type: ignore[attr-defined]

    def run_then_publish(self: Any) -> object:
        done = run(self)
        for blob in self._content.staged:
            blob.publish()
        return done

    content.publish, commit.run = postponed, run_then_publish  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        content.publish, commit.run = publish, run  # type: ignore[method-assign]


@contextmanager
def acknowledge_first() -> Iterator[None]:
    """The answer is printed when the manifest is made, before its transaction is committed."""
    from modelreg.db.transaction import Transaction

    add = Transaction.add

    def told(self: Transaction, manifest: Any, digest: str) -> None:
        print(f"{manifest.model}:{manifest.version} sha256:{digest}", flush=True)
        add(self, manifest, digest)

    Transaction.add = told  # type: ignore[method-assign]
    try:
        yield
    finally:
        Transaction.add = add  # type: ignore[method-assign]


def patched(mistake: str | None, work: Callable[[], int]) -> Callable[[], int]:
    """``work`` with the mistake in it."""
    if mistake is None:
        return work
    breaking = {"commit-first": commit_first, "acknowledge-first": acknowledge_first}[mistake]

    def run() -> int:
        with breaking():
            return work()

    return run
