"""A proxy in front of PostgreSQL that cuts a connection at the commit of a push, before the server saw it or after."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

SIGN, COMMIT = b"INSERT INTO versions", b"COMMIT"


@dataclass
class Proxy:
    """``cuts`` of the next connections are cut, each ``before`` or ``after`` the server has committed.

    With ``is_gone_after_cut`` every connection from a cut on is closed at once, until ``come_back``.
    """

    port: int
    cuts: list[Literal["before", "after"]] = field(default_factory=list)
    fired: list[str] = field(default_factory=list)
    is_gone_after_cut: bool = False

    @property
    def is_gone(self) -> bool:
        return self.is_gone_after_cut and bool(self.fired)

    def come_back(self) -> None:
        """Let connections through again."""
        self.is_gone_after_cut = False


@contextlib.contextmanager
def cutting_proxy(server_port: int) -> Iterator[Proxy]:
    """A proxy on loopback to the server on ``server_port``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(listener.getsockname()[1])
        listener.settimeout(0.1)
        ended = threading.Event()
        thread = threading.Thread(target=_serve, args=(listener, server_port, proxy, ended))
        thread.start()
        try:
            yield proxy
        finally:
            ended.set()
            thread.join(30)


def _serve(listener: socket.socket, server_port: int, proxy: Proxy, ended: threading.Event) -> None:
    threads: list[threading.Thread] = []
    while not ended.is_set():
        with contextlib.suppress(TimeoutError):
            client, _ = listener.accept()
            if proxy.is_gone:
                client.close()
                continue
            threads.append(threading.Thread(target=_relay, args=(client, server_port, proxy, ended)))
            threads[-1].start()
    for thread in threads:
        thread.join(30)


def _relay(client: socket.socket, server_port: int, proxy: Proxy, ended: threading.Event) -> None:
    """Pass bytes on in both directions; the client's are looked at."""
    with client, socket.create_connection(("127.0.0.1", server_port)) as server, selectors.DefaultSelector() as waiting:
        client.settimeout(None)
        for one in (client, server):
            waiting.register(one, selectors.EVENT_READ)
        pushes = False
        while not ended.is_set():
            for key, _ in waiting.select(0.1):
                source = key.fileobj
                assert isinstance(source, socket.socket)
                data = source.recv(65536)
                if not data:
                    return
                pushes = pushes or (source is client and SIGN in data)
                if pushes and source is client and COMMIT in data and proxy.cuts:
                    _cut(proxy, server, data)
                    return
                (server if source is client else client).sendall(data)


def _cut(proxy: Proxy, server: socket.socket, data: bytes) -> None:
    how = proxy.cuts.pop(0)
    if how == "after":
        server.sendall(data)
        assert server.recv(65536)  # it is committed, and its answer is lost
    proxy.fired.append(how)
