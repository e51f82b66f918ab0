"""The inspecting child: ``python -I -m modelreg.inspect.child SOCKET``; hostile bytes are parsed here and only here.

Order, which is the whole point: take the request and the open files, bound memory and time, look at the first bytes,
import the parser that they call for, give up files, processes and network, and only then parse.

Invariants: neither Keras nor TensorFlow is ever imported; no file is opened by name once parsing has begun; the only
output is one bounded message.
"""

from __future__ import annotations

import codecs
import importlib
import socket
import sys
from collections.abc import Sequence

from modelreg.facts import Container, Facts, Hazard, HazardKind
from modelreg.inspect import limits
from modelreg.inspect.builtins import is_builtin
from modelreg.inspect.confine import confine, limit_resources
from modelreg.inspect.reader import SAVED_MODEL_MARKS, read_artifact
from modelreg.inspect.sniff import Format, sniff
from modelreg.inspect.source import SourceFile, descriptor_stream, unread
from modelreg.inspect.wire import BEGUN, Answer, Request, decode_request, encode, receive, receive_descriptors

_ENCODINGS = "ascii cp437 latin-1 raw_unicode_escape utf-8-sig utf-16 utf-16-le utf-16-be utf-32 utf-32-le utf-32-be"
"""What configurations (as ``json.loads`` tells them), member names and stored functions are decoded with."""


def main(arguments: Sequence[str]) -> None:
    """Serve one request on the socket whose descriptor is the first argument.

    A second argument, ``hdf5``, says that HDF5 will probably come: its parser is then loaded while the parent still
    copies the file.
    """
    connection = socket.socket(fileno=int(arguments[0]))
    _prepare()
    if "hdf5" in arguments[1:]:
        importlib.import_module("modelreg.inspect.hdf5")
    body = receive(connection, size_bytes_max=limits.REQUEST_SIZE_BYTES_MAX)
    request = decode_request(body, size_bytes_max=limits.REQUEST_SIZE_BYTES_MAX)
    files = _files(request, connection)
    limit_resources(request.limits)
    connection.sendall(BEGUN)
    connection.sendall(encode(_answer(request, files)))


def _prepare() -> None:
    """Load what Python and this package load from disk on first use, which is impossible later."""
    for encoding in _ENCODINGS.split():
        codecs.lookup(encoding)
    is_builtin("layer", "Dense")


def _files(request: Request, connection: socket.socket) -> list[SourceFile]:
    descriptors = iter(receive_descriptors(connection, sum(file.is_sent for file in request.files)))
    return [
        SourceFile(
            file.path,
            file.size_bytes,
            descriptor_stream(next(descriptors), file.size_bytes) if file.is_sent else unread(),
        )
        for file in request.files
    ]


def _answer(request: Request, files: Sequence[SourceFile]) -> Answer:
    try:
        _import_parsers(request, files)
        confine()
    except (ImportError, OSError) as error:
        return Answer(failure=f"{type(error).__name__}: {error}")
    where = files[0].path if len(files) == 1 else "."
    try:
        return _bounded(Answer(read_artifact(files)), where)
    except MemoryError:
        detail = f"reading needs more than {request.limits.memory_bytes // limits.MIB:,} MiB"
        return Answer(Facts(Container.OPAQUE, where, hazards=(Hazard(HazardKind.TOO_MUCH, where, detail),)))


def _bounded(answer: Answer, where: str) -> Answer:
    """The answer, or, if its canonical form would not be taken, facts that say so."""
    size_bytes = len(encode(answer))
    if size_bytes <= limits.ANSWER_SIZE_BYTES_MAX or answer.facts is None:
        return answer
    detail = f"its facts take {size_bytes:,} bytes; at most {limits.ANSWER_SIZE_BYTES_MAX:,} are kept"
    return Answer(Facts(answer.facts.container, where, hazards=(Hazard(HazardKind.TOO_MUCH, where, detail),)))


def _import_parsers(request: Request, files: Sequence[SourceFile]) -> None:
    """Import what the first bytes call for."""
    if any(file.path in SAVED_MODEL_MARKS for file in files):
        importlib.import_module("modelreg.inspect.saved_model")
    sent = [file for file, asked in zip(files, request.files, strict=True) if asked.is_sent]
    formats = {sniff(file).format for file in sent}
    if formats & {Format.HDF5, Format.ZIP}:
        importlib.import_module("modelreg.inspect.hdf5")
    if Format.TFLITE in formats:
        importlib.import_module("modelreg.inspect.tflite")


if __name__ == "__main__":
    main(sys.argv[1:])
