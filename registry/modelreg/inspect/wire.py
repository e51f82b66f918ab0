"""The messages between the parent, the starter of readers, and a reader, over Unix sockets.

    parent to starter    a request, then its descriptors: the reader's socket, its last words' pipe, the files
    starter to parent    the reader's process id
    reader to parent     BEGUN, a WORKED for each piece of bulk work, ANSWERED and the answer, on the socket that came
                         with the request
    parent to starter    REAP (the reader has closed its socket) or KILL
    starter to parent    how the reader ended: its exit status (or the signal's number, negative), what it used

A message is a length of eight bytes and canonical JSON; descriptors travel beside it in batches.  The parent bounds
what it takes from a reader, which may have been taken over by the bytes that it read.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from modelreg.errors import DocumentError
from modelreg.facts import Distance, Facts
from modelreg.inspect.limits import ChildLimits
from modelreg.inspect.pairs import StoredPair
from modelreg.inspect.pieces import Rewriting
from modelreg.records import canonical_json, from_json, parse_json, to_json

BEGUN = b"!"
"""One byte that the child sends when it begins to read: what goes wrong from here on is the bytes' doing."""
WORKED = b"."
ANSWERED = b"="
REAP = b"r"
KILL = b"k"
NUMBER_SIZE_BYTES = 8
"""A process id, or one of the numbers of a ``ReaderEnd``, big-endian and signed."""
_LENGTH_SIZE_BYTES = 8
_DESCRIPTORS_PER_MESSAGE = 128
"""Linux takes 253 at once (``SCM_MAX_FD``), macOS fewer."""


@dataclass(frozen=True, slots=True)
class RequestedFile:
    """One file; ``is_sent`` says that a descriptor comes with it."""

    path: str
    size_bytes: int
    is_sent: bool


@dataclass(frozen=True, slots=True)
class Request:
    """What the parent asks for.

    Facts, and with ``values`` the tensors' digests too; or how far ``pairs`` are apart; or how the one file looks with
    the configuration ``rewrite`` in it.
    """

    limits: ChildLimits
    files: tuple[RequestedFile, ...]
    values: bool = False
    pairs: tuple[StoredPair, ...] | None = None
    rewrite: str | None = None

    @property
    def asks_for_facts(self) -> bool:
        return self.pairs is None and self.rewrite is None


@dataclass(frozen=True, slots=True)
class Answer:
    """Facts, the distance of each pair, or a rewritten file; or why this child could not even begin to read."""

    facts: Facts | None = None
    failure: str | None = None
    distances: tuple[Distance | None, ...] | None = None
    rewriting: Rewriting | None = None


@dataclass(frozen=True, slots=True)
class ReaderEnd:
    """How a reader ended: exit status, or negative the signal; the processor time and the memory that it had at most.

    The memory counts what it shares with its starter, some 60 MiB.
    """

    status: int
    cpu_ms: int
    peak_kib: int

    SIZE_BYTES: ClassVar[int] = 3 * NUMBER_SIZE_BYTES

    @classmethod
    def decode(cls, data: bytes) -> ReaderEnd:
        parts = range(0, cls.SIZE_BYTES, NUMBER_SIZE_BYTES)
        return cls(*(int.from_bytes(data[at : at + NUMBER_SIZE_BYTES], "big", signed=True) for at in parts))

    def encode(self) -> bytes:
        return b"".join(map(encode_number, (self.status, self.cpu_ms, self.peak_kib)))


def encode_number(number: int) -> bytes:
    """The number as it travels."""
    return number.to_bytes(NUMBER_SIZE_BYTES, "big", signed=True)


def encode(message: Request | Answer) -> bytes:
    """The message as bytes, its length first."""
    body = canonical_json(to_json(message))
    return len(body).to_bytes(_LENGTH_SIZE_BYTES, "big") + body


def decode_answer(body: bytes, *, size_bytes_max: int) -> Answer:
    """Raises ``DocumentError`` for anything that is no answer."""
    answer = from_json(Answer, parse_json(body, what="the answer", size_bytes_max=size_bytes_max), what="the answer")
    if [answer.facts, answer.failure, answer.distances, answer.rewriting].count(None) != 3:
        raise DocumentError("the answer: holds no facts, distances, rewriting or failure, or more than one of them")
    return answer


def decode_request(body: bytes, *, size_bytes_max: int) -> Request:
    """Raises ``DocumentError`` for anything that is no request."""
    return from_json(Request, parse_json(body, what="the request", size_bytes_max=size_bytes_max), what="the request")


def receive(connection: socket.socket, *, size_bytes_max: int, deadline: float | None = None) -> bytes:
    """The next message's body, before ``deadline`` on the monotonic clock.

    ``EOFError``: the other side is gone; ``TimeoutError``; ``DocumentError``: it announces too much.
    """
    size = int.from_bytes(receive_exactly(connection, _LENGTH_SIZE_BYTES, deadline=deadline), "big")
    if size > size_bytes_max:
        raise DocumentError(f"a message of {size:,} bytes; at most {size_bytes_max:,} are read")
    return receive_exactly(connection, size, deadline=deadline)


def receive_exactly(connection: socket.socket, size_bytes: int, *, deadline: float | None = None) -> bytes:
    """As many bytes; raises as ``receive`` does."""
    pieces = bytearray()
    while len(pieces) < size_bytes:
        if deadline is not None:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
        piece = connection.recv(min(size_bytes - len(pieces), 1 << 20))
        if not piece:
            raise EOFError("the other side closed the connection")
        pieces += piece
    return bytes(pieces)


def send_descriptors(connection: socket.socket, descriptors: Sequence[int]) -> None:
    """Send open files in batches, one byte each batch to carry them."""
    for start in range(0, len(descriptors), _DESCRIPTORS_PER_MESSAGE):
        socket.send_fds(connection, [b"."], descriptors[start : start + _DESCRIPTORS_PER_MESSAGE])


def receive_descriptors(connection: socket.socket, count: int) -> list[int]:
    """Receive as many open files as were announced; raises ``EOFError`` if they do not come."""
    received: list[int] = []
    while len(received) < count:
        _, batch, _, _ = socket.recv_fds(connection, 1, min(_DESCRIPTORS_PER_MESSAGE, count - len(received)))
        if not batch:
            raise EOFError("a descriptor did not arrive")
        received.extend(batch)
    return received
