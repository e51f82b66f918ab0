"""Values of columns as a foreign hand can have left them: SQLite keeps a text in a column of numbers or bytes."""

from __future__ import annotations

from modelreg.errors import DatabaseError


def exact_bytes(value: object, what: str) -> bytes:
    """The bytes that a column holds; raises ``DatabaseError`` that names ``what`` for anything else."""
    if not isinstance(value, (bytes, memoryview)):
        raise _foreign(value, what, "bytes")
    return bytes(value)


def exact_int(value: object, what: str) -> int:
    """The whole number that a column holds; raises ``DatabaseError`` that names ``what`` for anything else."""
    if not isinstance(value, int):
        raise _foreign(value, what, "a number")
    return value


def exact_text(value: object, what: str) -> str:
    """The text that a column holds; raises ``DatabaseError`` that names ``what`` for anything else."""
    if not isinstance(value, str):
        raise _foreign(value, what, "text")
    return value


def _foreign(value: object, what: str, wanted: str) -> DatabaseError:
    return DatabaseError(
        f"{what} is {repr(value)[:40]} where {wanted} belongs: somebody changed the database by hand",
        hint="modelreg log audit tells what; modelreg db rebuild, into an empty database, restores it from the store",
    )
