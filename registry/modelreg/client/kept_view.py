"""The view of a log in a file of SQLite beside the user's memory, so that a pull asks it for one alias and one version.

It saves work and decides nothing: what leads to no signed root is undone, and a file that is damaged, or that somebody
else is writing, is as none.  What is wrong with one that is open is ``sqlite3.Error``.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, MutableMapping
from pathlib import Path
from typing import Any, TypeVar

from modelreg.errors import DocumentError
from modelreg.files import make_folder
from modelreg.trust.merkle import Frontier
from modelreg.trust.statements import Recorded
from modelreg.trust.view import Alias, Entry, LogView, Said, Version

FORMAT = 1
_WAIT_S = 5.0
_SAID = "place INTEGER NOT NULL, statement BLOB NOT NULL, signers TEXT NOT NULL"
_KEY = "PRIMARY KEY (model, version, manifest)"
_SCHEMA = (
    "CREATE TABLE head (origin TEXT NOT NULL, size INTEGER NOT NULL, hashes BLOB NOT NULL)",
    f"CREATE TABLE pointers (model TEXT, alias TEXT, {_SAID}, PRIMARY KEY (model, alias)) WITHOUT ROWID",
    f"CREATE TABLE withdrawals (model TEXT, version INTEGER, manifest TEXT, {_SAID}, {_KEY}) WITHOUT ROWID",
    "CREATE TABLE split (model TEXT, alias TEXT, place INTEGER NOT NULL, PRIMARY KEY (model, alias)) WITHOUT ROWID",
    f"PRAGMA user_version = {FORMAT}",
)
_HASH_SIZE_BYTES = 32

Key = TypeVar("Key", bound=tuple[Any, ...])


class _Table(MutableMapping[Key, Said]):
    """A table of statements by what they are about."""

    def __init__(self, connection: sqlite3.Connection, name: str, columns: tuple[str, ...]) -> None:
        self._connection, self._name, self._columns = connection, name, columns
        self._here = " AND ".join(f"{column} = ?" for column in columns)

    def __getitem__(self, key: Key) -> Said:
        query = f"SELECT place, statement, signers FROM {self._name} WHERE {self._here}"  # noqa: S608 - constants
        row = self._connection.execute(query, key).fetchone()
        if row is None:
            raise KeyError(key)
        place, statement, signers = row
        try:
            return Said(place, Recorded.of(statement), tuple(signers.split()), statement)
        except (DocumentError, TypeError, AttributeError) as error:
            raise sqlite3.DatabaseError(f"a kept statement cannot be read: {error}") from None

    def __setitem__(self, key: Key, said: Said) -> None:
        marks = ", ".join("?" for _ in range(len(key) + 3))
        row = (*key, said.index, said.data, " ".join(said.signers))
        self._connection.execute(f"INSERT OR REPLACE INTO {self._name} VALUES ({marks})", row)  # noqa: S608 - constants

    def __delitem__(self, key: Key) -> None:
        self._connection.execute(f"DELETE FROM {self._name} WHERE {self._here}", key)  # noqa: S608 - constants

    def __iter__(self) -> Iterator[Key]:
        columns = ", ".join(self._columns)
        yield from self._connection.execute(f"SELECT {columns} FROM {self._name}")  # noqa: S608 - constants

    def __len__(self) -> int:
        count: int = self._connection.execute(f"SELECT count(*) FROM {self._name}").fetchone()[0]  # noqa: S608
        return count


class _Places(MutableMapping[Alias, int]):
    """Where aliases split."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __getitem__(self, key: Alias) -> int:
        row = self._connection.execute("SELECT place FROM split WHERE model = ? AND alias = ?", key).fetchone()
        if row is None:
            raise KeyError(key)
        place: int = row[0]
        return place

    def __setitem__(self, key: Alias, place: int) -> None:
        self._connection.execute("INSERT OR REPLACE INTO split VALUES (?, ?, ?)", (*key, place))

    def __delitem__(self, key: Alias) -> None:
        self._connection.execute("DELETE FROM split WHERE model = ? AND alias = ?", key)

    def __iter__(self) -> Iterator[Alias]:
        yield from self._connection.execute("SELECT model, alias FROM split")

    def __len__(self) -> int:
        count: int = self._connection.execute("SELECT count(*) FROM split").fetchone()[0]
        return count


class KeptView:
    """A view that is kept, or for a ``path`` that is ``None`` lives as long as this object."""

    def __init__(self, origin: str, path: Path | None = None) -> None:
        if path is not None:
            make_folder(path.parent.absolute())
        self._connection = sqlite3.connect(path or ":memory:", timeout=_WAIT_S, isolation_level=None)
        self.view = LogView(
            origin,
            _Table[Alias](self._connection, "pointers", ("model", "alias")),
            _Table[Version](self._connection, "withdrawals", ("model", "version", "manifest")),
            _Places(self._connection),
        )
        self.frontier = Frontier()
        try:
            self.frontier = self._opened(origin)
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, origin: str, path: Path) -> KeptView:
        """The view in the file ``path``, made anew if it is damaged; where there can be none, one in memory."""
        for _ in range(2):
            try:
                return cls(origin, path)
            except (sqlite3.DatabaseError, DocumentError, ValueError, OSError):
                with contextlib.suppress(OSError):  # then there is one in memory
                    path.unlink()
        return cls(origin)

    @property
    def size(self) -> int:
        return self.frontier.size

    def close(self) -> None:
        self._connection.close()

    def grow(self, entries: Iterable[Entry], size: int, root: bytes) -> bool:
        """Read the entries behind those that are known; ``False``, and nothing read, unless they lead to ``root``.

        Raises as ``LogView.take``.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            frontier = self.view.read(entries, self.frontier)
            is_right = (frontier.size, frontier.root) == (size, root)
            if is_right:
                row = (self.view.origin, frontier.size, b"".join(frontier.hashes))
                self._connection.execute("DELETE FROM head")
                self._connection.execute("INSERT INTO head VALUES (?, ?, ?)", row)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT" if is_right else "ROLLBACK")
        self.frontier = frontier if is_right else self.frontier
        return is_right

    def _opened(self, origin: str) -> Frontier:
        """How far the view has come; raises for a file that is none of ours."""
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._connection.execute("BEGIN IMMEDIATE")
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            for line in _SCHEMA if version == 0 else ():
                self._connection.execute(line)
            self._connection.execute("COMMIT")
            version = FORMAT
        if version != FORMAT:
            raise DocumentError(f"a kept view of the format {version}")
        row = self._connection.execute("SELECT origin, size, hashes FROM head").fetchone()
        if row is None:
            return Frontier()
        found, size, hashes = row
        if found != origin or not isinstance(size, int) or not isinstance(hashes, bytes):
            raise DocumentError(f"a kept view of {str(found)[:80]!r}")
        steps = range(0, len(hashes), _HASH_SIZE_BYTES)
        return Frontier(size, tuple(hashes[at : at + _HASH_SIZE_BYTES] for at in steps))
