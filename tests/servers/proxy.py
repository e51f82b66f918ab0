"""A small HTTP proxy before a real S3 server, which does to each request what a test says: the network and the liar.

It passes requests on unchanged (signatures hold, since they cover the ``Host`` that the client sent), and counts them.
A fault is a function from a ``Request`` to what is done; ``None`` passes the request through.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import ClassVar
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Request:
    """One request as it came: ``number`` counts those with the same method and path, from 1."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    number: int

    @property
    def range(self) -> tuple[int, int] | None:
        """First and last byte of a ranged GET."""
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        return (int(found[1]), int(found[2])) if found else None

    @property
    def is_blob(self) -> bool:
        return "/blobs/sha256/" in self.path


@dataclass
class Answer:
    """An answer to be sent: ``cut`` closes the connection after so many bytes, ``pause_s`` waits before each byte."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    cut: int | None = None
    pause_s: float = 0.0


Fault = Callable[[Request, Callable[[], Answer]], Answer | None]
"""Called with the request and a way to ask the server; returns what to answer, ``None`` to close without an answer."""


def honest(request: Request, ask: Callable[[], Answer]) -> Answer | None:
    """No fault."""
    return ask()


@dataclass
class Proxy:
    """A running proxy; ``fault`` can be exchanged at any time, ``seen`` holds every request in order."""

    endpoint: str
    fault: Fault = honest
    seen: list[Request] = field(default_factory=list)
    sent_bytes: int = 0
    """Of the bodies of answers to GET of a blob."""

    def count(self, method: str, part: str = "") -> int:
        """How many requests of ``method`` had ``part`` in their path."""
        return sum(request.method == method and part in request.path for request in list(self.seen))


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, upstream: str, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.proxy = Proxy(f"{'https' if tls else 'http'}://127.0.0.1:{self.server_address[1]}")
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.lock = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that a fault or a client closed."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout: ClassVar[float] = 60.0

    def handle_one(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            number = 1 + sum(one.method == self.command and one.path == self.path for one in proxy.seen)
            request = Request(self.command, self.path, dict(self.headers.items()), body, number)
            proxy.seen.append(request)
        answer = proxy.fault(request, lambda: self._ask(request))
        if answer is None:
            self.close_connection = True
            return
        self._send(request, answer)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_one  # noqa: N815 - the base class calls them so

    def handle_expect_100(self) -> bool:
        """Ask for the body at once; the server behind gets it without having been asked."""
        self.send_response_only(100)
        self.end_headers()
        return True

    def _ask(self, request: Request) -> Answer:
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=60)
        try:
            headers = {name: value for name, value in request.headers.items() if name.lower() != "expect"}
            upstream.request(request.method, request.path, request.body or None, headers)
            got = upstream.getresponse()
            body = got.read()
            return Answer(got.status, got.getheaders(), body)
        finally:
            upstream.close()

    def _send(self, request: Request, answer: Answer) -> None:
        self.send_response_only(answer.status)
        dropped = {"transfer-encoding", "connection"} | ({"content-length"} if request.method != "HEAD" else set())
        for name, value in answer.headers:
            if name.lower() not in dropped:
                self.send_header(name, value)
        if request.method != "HEAD" and answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if request.method == "HEAD":
            return
        body = answer.body if answer.cut is None else answer.body[: answer.cut]
        if request.method == "GET" and request.is_blob:
            with self.server.lock:
                self.server.proxy.sent_bytes += len(body)
        if answer.pause_s:
            for place in range(len(body)):
                self.wfile.write(body[place : place + 1])
                self.wfile.flush()
                time.sleep(answer.pause_s)
        else:
            self.wfile.write(body)
        if answer.cut is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Nothing: the tests read ``seen``."""


@contextlib.contextmanager
def proxy_before(upstream: str, tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    """A proxy on a port of its own before the server at ``upstream``; with ``tls`` it is reached by https."""
    server = _Server(upstream, tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
