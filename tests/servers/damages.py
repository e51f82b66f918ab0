"""What a server or the network can do to an answer on its way: each damage makes another answer of one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from tests.servers.proxy import Answer, Request

Damage = Callable[[Answer], Answer]


def is_blob_read(request: Request) -> bool:
    """Whether the bytes of a blob are asked for."""
    return request.method == "GET" and request.is_blob


def flipped(answer: Answer) -> Answer:
    """One bit is another."""
    body = bytearray(answer.body)
    if body:
        body[len(body) // 3] ^= 1
    return replace(answer, body=bytes(body))


def short(answer: Answer) -> Answer:
    """The end is missing."""
    return replace(answer, body=answer.body[:-1000])


def shifted(answer: Answer) -> Answer:
    """As many bytes, begun one too late."""
    return replace(answer, body=answer.body[1:] + answer.body[:1])


def of_wrong_range(answer: Answer) -> Answer:
    """Another range is told than was asked for."""
    headers = [
        (name, value.replace("bytes ", "bytes 1") if name.lower() == "content-range" else value)
        for name, value in answer.headers
    ]
    return replace(answer, headers=headers)


def of_no_range(answer: Answer) -> Answer:
    """The range that was asked for is ignored."""
    headers = [(name, value) for name, value in answer.headers if name.lower() != "content-range"]
    return replace(answer, status=200, headers=headers)


def late_by(seconds: float) -> Damage:
    """The answer comes when it is not waited for any more."""

    def late(answer: Answer) -> Answer:
        time.sleep(seconds)
        return answer

    return late


def dripping(answer: Answer) -> Answer:
    """It comes byte by byte."""
    return replace(answer, pause_s=0.02)


def cut_at(tenth: int) -> Damage:
    """The connection ends after so many tenths."""
    return lambda answer: replace(answer, cut=len(answer.body) * tenth // 10)


def error(status: int, code: str) -> Damage:
    """An error of S3 instead."""
    body = f"<Error><Code>{code}</Code></Error>".encode()
    return lambda _: Answer(status, [("Content-Type", "application/xml")], body)


def page_of_a_proxy(_: Answer) -> Answer:
    """Something that is no S3 server answers instead."""
    return Answer(502, [("Content-Type", "text/html")], b"<html><body>Bad gateway</body>")
