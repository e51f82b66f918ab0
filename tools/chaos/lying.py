"""The lies: what is done to an answer, to which requests, and how often."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.servers import damages
from tests.servers.proxy import Answer, Request

Ask = Callable[[], Answer]
Tell = Callable[[Request, Ask], Answer | None]
Told = Callable[[Request, int, set[object]], bool]
LATE_S = 1.3
"""Longer than a read may take here."""


def _never(request: Request, seed: int, seen: set[object]) -> bool:
    raise NotImplementedError("say once() or always()")


@dataclass(frozen=True, slots=True)
class Lie:
    """``tell`` is done to the requests that it ``matches`` and for which ``when`` says so."""

    name: str
    tell: Tell
    matches: Callable[[Request], bool]
    when: Told = _never
    _seen: set[object] = field(default_factory=set)

    def is_told(self, request: Request, seed: int) -> bool:
        """Whether it is told to this request."""
        return self.when(request, seed, self._seen)

    def reset(self) -> None:
        """Begin again."""
        self._seen.clear()

    def once(self) -> Lie:
        """The first time that each thing is asked for."""
        return replace(self, name=f"{self.name}, once", when=_first)

    def always(self) -> Lie:
        """Every time."""
        return replace(self, name=f"{self.name}, always", when=lambda request, seed, seen: True)


def _first(request: Request, seed: int, seen: set[object]) -> bool:
    key = (request.method, request.path.partition("?")[0], (request.range or (0, 0))[1], "partNumber" in request.path)
    is_first = key not in seen
    seen.add(key)
    return is_first


def _by_chance(percent: int) -> Told:
    def told(request: Request, seed: int, seen: set[object]) -> bool:
        seen.add(len(seen))
        return random.Random(f"{seed}/{len(seen)}").randrange(100) < percent

    return told


def _is_large_read(request: Request) -> bool:
    """Not the manifest's: it is read whole."""
    return damages.is_blob_read(request) and request.range is not None


def _is_put(request: Request) -> bool:
    return request.method == "PUT" and request.is_blob and "partNumber" not in request.path


def _is_part(request: Request) -> bool:
    return request.method == "PUT" and "partNumber" in request.path


def _is_create(request: Request) -> bool:
    return request.method == "POST" and "uploads" in request.path.partition("?")[2]


def _is_complete(request: Request) -> bool:
    return request.method == "POST" and "uploadId" in request.path


def _is_head(request: Request) -> bool:
    return request.method == "HEAD" and request.is_blob


def _is_list(request: Request) -> bool:
    return request.method == "GET" and "list-type" in request.path


def _of(change: Callable[[Answer], Answer]) -> Tell:
    return lambda request, ask: change(ask())


def _lost(request: Request, ask: Ask) -> Answer | None:
    ask()
    return None


def _doubled(request: Request, ask: Ask) -> Answer | None:
    ask()
    return ask()


def _dropped(request: Request, ask: Ask) -> Answer | None:
    return None


def _forgotten(request: Request, ask: Ask) -> Answer | None:
    """Acknowledged, and never done."""
    return Answer(200, [("ETag", '"00000000000000000000000000000000"')], b"")


def _stored_wrong(request: Request, ask: Ask) -> Answer | None:
    """Done, and the size that is told later is another."""
    answer = ask()
    headers = [(name, "1" if name.lower() == "content-length" else value) for name, value in answer.headers]
    return replace(answer, headers=headers)


def _error_in_200(request: Request, ask: Ask) -> Answer | None:
    """As S3 does when a completion fails after its status was sent (API reference, CompleteMultipartUpload)."""
    xml = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>InternalError</Code><Message>x</Message></Error>'
    return Answer(200, [("Content-Type", "application/xml")], xml)


def _without_keys(answer: Answer) -> Answer:
    """A list that was made before anything was there."""
    body, start = answer.body, answer.body.find(b"<Contents>")
    end = body.rfind(b"</Contents>")
    return answer if start < 0 else replace(answer, body=body[:start] + body[end + len(b"</Contents>") :])


class _Stale:
    """The first list that was ever answered for a path, for ever."""

    def __init__(self) -> None:
        self._first: dict[str, Answer] = {}

    def __call__(self, request: Request, ask: Ask) -> Answer | None:
        return self._first.setdefault(request.path, ask())


DAMAGES: tuple[Lie, ...] = (
    Lie("wrong bytes", _of(damages.flipped), _is_large_read),
    Lie("short", _of(damages.short), _is_large_read),
    Lie("wrong range told", _of(damages.of_wrong_range), _is_large_read),
    Lie("range ignored", _of(damages.of_no_range), _is_large_read),
    Lie("bytes shifted by one", _of(damages.shifted), _is_large_read),
    Lie("late", _of(damages.late_by(LATE_S)), _is_large_read),
    Lie("slow drip", _of(damages.dripping), _is_large_read),
    Lie("busy (503)", _of(damages.error(503, "SlowDown")), damages.is_blob_read),
    Lie("a proxy's page (502)", _of(damages.page_of_a_proxy), damages.is_blob_read),
    *(Lie(f"cut at {tenth}/10", _of(damages.cut_at(tenth)), _is_large_read) for tenth in range(10)),
)
WRITES: tuple[Lie, ...] = (
    Lie("acknowledgement of a put lost", _lost, _is_put),
    Lie("put done twice", _doubled, _is_put),
    Lie("put dropped", _dropped, _is_put),
    Lie("put acknowledged and forgotten", _forgotten, _is_put),
    Lie("acknowledgement of a part lost", _lost, _is_part),
    Lie("part done twice", _doubled, _is_part),
    Lie("acknowledgement of a begun upload lost", _lost, _is_create),
    Lie("acknowledgement of complete lost", _lost, _is_complete),
    Lie("complete done twice", _doubled, _is_complete),
    Lie("complete failed behind a status of 200", _error_in_200, _is_complete),
    Lie("complete in conflict (409)", _of(damages.error(409, "ConditionalRequestConflict")), _is_complete),
    Lie("another size told", _stored_wrong, _is_head),
)
LISTS: tuple[Lie, ...] = (
    Lie("empty list", _of(_without_keys), _is_list),
    Lie("stale list", _Stale(), _is_list),
    Lie("list busy (503)", _of(damages.error(503, "SlowDown")), _is_list),
)


def failing_half() -> Lie:
    """Every second request, at random, is answered 500 and done or not."""
    return Lie("50 % errors 500", _of(damages.error(500, "InternalError")), lambda request: True, _by_chance(50))


def failing_mostly() -> Lie:
    """99 of 100."""
    return Lie("99 % errors 500", _of(damages.error(500, "InternalError")), lambda request: True, _by_chance(99))
