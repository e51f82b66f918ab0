"""The inspecting processes: ``python -I -m modelreg.inspect.child SOCKET`` starts readers; each reads one artifact.

The starter loads the parsers once and waits.  For each request it forks a reader, so that no artifact is ever read by
a process that another one may have taken over, and so that each has limits of its own.  The starter reads nothing of
an artifact: it passes the open files on and closes them.

Order in the reader, which is the whole point: bound memory and time, look at the first bytes, import the parser that
they call for, give up files, processes and network, and only then parse.

Invariants: neither Keras nor TensorFlow is ever imported; no file is opened by name once parsing has begun; a reader's
only outputs are one bounded message on a socket of its own and the last words of a crash; no reader outlives the
starter or the request.
"""

from __future__ import annotations

import codecs
import ctypes
import gc
import importlib
import io
import json
import os
import resource
import signal
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from modelreg.facts import Container, Facts, Hazard, HazardKind
from modelreg.inspect import limits
from modelreg.inspect.builtins import is_builtin
from modelreg.inspect.confine import confine, limit_resources
from modelreg.inspect.pairs import StoredPair
from modelreg.inspect.progress import Progress
from modelreg.inspect.reader import SAVED_MODEL_MARKS, read_artifact
from modelreg.inspect.sniff import Format, sniff
from modelreg.inspect.source import SourceFile, descriptor_stream, unread
from modelreg.inspect.wire import (
    ANSWERED,
    BEGUN,
    REAP,
    WORKED,
    Answer,
    ReaderEnd,
    Request,
    decode_request,
    encode,
    encode_number,
    receive,
    receive_descriptors,
    receive_exactly,
)

if TYPE_CHECKING:
    from modelreg.inspect.values import Values

_ENCODINGS = "ascii cp437 latin-1 raw_unicode_escape utf-8-sig utf-16 utf-16-le utf-16-be utf-32 utf-32-le utf-32-be"
"""What configurations (as ``json.loads`` tells them), member names and stored functions are decoded with."""
_PARSERS = ("hdf5", "hdf5_values", "saved_model", "tflite", "onnx", "onnx_values", "values")
_LAST_WORDS_WALL_S = 2
_PR_SET_PDEATHSIG = 1


def main(arguments: Sequence[str]) -> None:
    """Serve requests on the socket whose descriptor is the first argument, until the other side closes it.

    A second argument, ``hdf5``, says that HDF5 will probably come: its parser is then loaded at once.  Whoever asks
    twice will ask for more, so all parsers are loaded after the first request.
    """
    connection = socket.socket(fileno=int(arguments[0]))
    _prepare()
    if "hdf5" in arguments[1:]:
        importlib.import_module("modelreg.inspect.hdf5")
        importlib.import_module("modelreg.inspect.hdf5_values")
        importlib.import_module("modelreg.semantic")
    try:
        _serve(connection)
        _warm_up()
        while True:
            _serve(connection)
    except (EOFError, ConnectionError):
        os._exit(0)


def _prepare() -> None:
    """Load what Python and this package load from disk on first use, which is impossible later."""
    for encoding in _ENCODINGS.split():
        codecs.lookup(encoding)
    is_builtin("layer", "Dense")


def _warm_up() -> None:
    """Do once what every reader would else do for itself: import all parsers, and read a model that was made here."""
    for parser in _PARSERS:
        importlib.import_module(f"modelreg.inspect.{parser}")
    importlib.import_module("modelreg.semantic")
    import h5py

    made = io.BytesIO()
    layer = {"class_name": "Dense", "config": {"name": "d", "units": 1}}
    with h5py.File(made, "w") as file:
        file.attrs["keras_version"] = b"2.15.0"
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": [layer]}}).encode()
        group = file.create_group("model_weights/d")
        file["model_weights"].attrs["layer_names"] = [b"d"]
        group.attrs["weight_names"] = [b"k:0"]
        group.create_dataset("k:0", data=[0.0])
    encode(Answer(read_artifact([SourceFile("m.h5", len(made.getbuffer()), made)])))
    gc.freeze()


# The starter


def _serve(connection: socket.socket) -> None:
    """One request: fork its reader, tell the reader's process id, wait until told to end it, tell how it ended."""
    body = receive(connection, size_bytes_max=limits.REQUEST_SIZE_BYTES_MAX)
    request = decode_request(body, size_bytes_max=limits.REQUEST_SIZE_BYTES_MAX)
    descriptors = receive_descriptors(connection, 2 + sum(file.is_sent for file in request.files))
    starter = os.getpid()
    reader = os.fork()
    if reader == 0:
        connection.close()
        _read(request, descriptors, starter)
    for descriptor in descriptors:
        os.close(descriptor)
    patience_s = 0.0
    try:
        connection.sendall(encode_number(reader))
        if receive_exactly(connection, 1) == REAP:
            patience_s = _LAST_WORDS_WALL_S
    finally:
        end = _end(reader, patience_s)
    connection.sendall(end.encode())


def _end(reader: int, patience_s: float) -> ReaderEnd:
    """Wait for the reader's end, but not for longer than that."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        ended, status, used = os.wait4(reader, os.WNOHANG)
        if ended:
            return _reader_end(status, used)
        time.sleep(0.002)
    os.kill(reader, signal.SIGKILL)  # it has not been reaped, so the number is still its own
    return _reader_end(*os.wait4(reader, 0)[1:])


def _reader_end(status: int, used: resource.struct_rusage) -> ReaderEnd:
    cpu_ms = round(1000 * (used.ru_utime + used.ru_stime))
    peak_kib = used.ru_maxrss if sys.platform != "darwin" else used.ru_maxrss // 1024  # bytes there (getrusage(2))
    return ReaderEnd(os.waitstatus_to_exitcode(status), cpu_ms, peak_kib)


# The reader


def _read(request: Request, descriptors: Sequence[int], starter: int) -> NoReturn:
    """Read the artifact and answer on the first descriptor; last words go to the second."""
    status = 1
    gc.disable()  # it ends before it could ever matter, and a large configuration is gone through again and again
    try:
        _die_with(starter)
        connection = socket.socket(fileno=descriptors[0])
        os.dup2(descriptors[1], sys.stderr.fileno())
        os.close(descriptors[1])
        progress = Progress(lambda: connection.sendall(WORKED))
        files = _files(request, descriptors[2:], progress)
        limit_resources(request.limits)
        connection.sendall(BEGUN)
        answer = encode(_answer(request, files, progress))
        connection.sendall(ANSWERED + answer)
        status = 0
    except BaseException:  # nothing of the starter may run in its copy, whatever happens
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _die_with(starter: int) -> None:
    """On Linux the kernel ends a reader whose starter is gone; elsewhere its limit of processor time does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != starter:
            os._exit(1)


def _files(request: Request, descriptors: Sequence[int], progress: Progress) -> list[SourceFile]:
    sent = iter(descriptors)
    return [
        SourceFile(
            file.path,
            file.size_bytes,
            descriptor_stream(next(sent), file.size_bytes, progress) if file.is_sent else unread(),
        )
        for file in request.files
    ]


def _answer(request: Request, files: Sequence[SourceFile], progress: Progress) -> Answer:
    try:
        _import_parsers(request, files)
        confine()
    except (ImportError, OSError) as error:
        return Answer(failure=f"{type(error).__name__}: {error}")
    where = files[0].path if len(files) == 1 else "."
    try:
        if request.pairs is not None:
            return _measured(request.pairs, files, progress)
        if request.rewrite is not None:
            return _rewritten(request.rewrite, files)
        return _bounded(Answer(read_artifact(files, values=_values(request, progress))), where)
    except MemoryError:
        detail = f"reading needs more than {request.limits.memory_bytes // limits.MIB:,} MiB"
        return Answer(Facts(Container.OPAQUE, where, hazards=(Hazard(HazardKind.TOO_MUCH, where, detail),)))


def _measured(pairs: Sequence[StoredPair], files: Sequence[SourceFile], progress: Progress) -> Answer:
    from modelreg.inspect.value_difference import measure

    return Answer(distances=measure(pairs, files, progress))


def _rewritten(config: str, files: Sequence[SourceFile]) -> Answer:
    from modelreg.inspect.rewriting import rewritten

    return Answer(rewriting=rewritten(files[0], config))


def _values(request: Request, progress: Progress) -> Values | None:
    if not request.values:
        return None
    from modelreg.inspect.values import Values

    return Values.for_artifact(sum(file.size_bytes for file in request.files if file.is_sent), progress)


def _bounded(answer: Answer, where: str) -> Answer:
    """The answer, or, if its canonical form would not be taken, facts that say so."""
    size_bytes = len(encode(answer))
    if size_bytes <= limits.ANSWER_SIZE_BYTES_MAX or answer.facts is None:
        return answer
    detail = f"its facts take {size_bytes:,} bytes; at most {limits.ANSWER_SIZE_BYTES_MAX:,} are kept"
    return Answer(Facts(answer.facts.container, where, hazards=(Hazard(HazardKind.TOO_MUCH, where, detail),)))


def _import_parsers(request: Request, files: Sequence[SourceFile]) -> None:
    """Import what the first bytes call for, or the measuring of pairs."""
    if request.pairs is not None:
        importlib.import_module("modelreg.inspect.value_difference")
        return
    if request.rewrite is not None:
        importlib.import_module("modelreg.inspect.rewriting")
    sent = [file for file, asked in zip(files, request.files, strict=True) if asked.is_sent]
    formats = {sniff(file).format for file in sent}
    wanted = set()
    if request.values:
        # Asked for whatever the artifact turns out to be: an opaque folder too is given a budget for values.
        importlib.import_module("modelreg.semantic")
        importlib.import_module("modelreg.inspect.values")
    if any(file.path in SAVED_MODEL_MARKS for file in files):
        wanted |= {"saved_model", "values"} if request.values else {"saved_model"}
    if formats & {Format.HDF5, Format.ZIP}:
        wanted |= {"hdf5", "hdf5_values"} if request.values else {"hdf5"}
    if Format.TFLITE in formats:
        wanted |= {"tflite", "values"} if request.values else {"tflite"}
    if Format.ONNX in formats:
        wanted |= {"onnx", "onnx_values"} if request.values else {"onnx"}
    for parser in sorted(wanted):
        importlib.import_module(f"modelreg.inspect.{parser}")


if __name__ == "__main__":
    main(sys.argv[1:])
