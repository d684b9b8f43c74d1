"""Whole answers, compressed on their way out: the one place for all but a job's state, which is kept in its form.

Left as they are: event streams; what a `POST`, `PATCH` or `DELETE` answers, since that may hold a one-time secret
beside text of somebody else's (BREACH); and what is already coded.
"""

import asyncio
from collections import OrderedDict
from typing import Final

from starlette.types import Message, Scope

from polling_api.api.checked import ROUTE, CheckedRoute
from polling_api.api.codings import Accepted
from polling_api.coding import Coding
from polling_api.representation import Headers

ASIDE: Final = 128 * 1024  # bytes from which on a body is compressed in a thread: a millisecond, which all would wait
LARGEST_KEPT: Final = 512 * 1024  # bytes of a body whose coded form is kept; the OpenAPI document has less
MOST_KEPT: Final = 8 * 1024 * 1024  # bytes of all bodies that are kept, and their coded forms

_SAFE = frozenset({"GET", "HEAD"})
_REFUSED = 400  # from this status on an answer bears no secret
_WITHOUT_BODY = frozenset({204, 304})
_TEXTS = frozenset(
    {
        b"application/json",
        b"application/problem+json",
        b"application/openmetrics-text",
        b"text/html",
        b"text/plain",
        b"text/css",
        b"text/javascript",
        b"image/svg+xml",
    }
)


def may_be_coded(scope: Scope, start: Message) -> bool:
    """Whether an answer that begins like this gains from a coding, and loses nothing by it."""
    status: int = start["status"]
    if status in _WITHOUT_BODY:
        return False
    route: CheckedRoute | None = scope.get(ROUTE)
    if route is not None and route.coded_within and status < _REFUSED:
        return False
    if not (scope["method"] in _SAFE or status >= _REFUSED or (route is not None and route.coded)):
        return False
    headers = dict(start["headers"])
    return b"content-encoding" not in headers and headers.get(b"content-type", b"").partition(b";")[0] in _TEXTS


class Compression:
    """Compresses bodies, each once for all who are sent the same.

    Args:
        most_kept: bytes of bodies and their coded forms that are kept; beyond it those go that were asked for longest
            ago.

    Attributes:
        kept: bytes that are kept now.
    """

    def __init__(self, most_kept: int = MOST_KEPT) -> None:
        self.kept = 0
        self._most_kept = most_kept
        self._kept = OrderedDict[tuple[str, bytes], bytes]()

    async def coded(self, start: Message, body: bytes, accepted: Accepted) -> tuple[Message, bytes]:
        """The beginning and the body of an answer as they are sent.

        Args:
            start: the beginning.
            body: the whole of it.
            accepted: what the caller takes.
        """
        coding = accepted.coding_of(len(body))
        if coding is None:
            return start, body
        shorter = await self._made(coding, body)
        return {**start, "headers": recoded(start["headers"], coding, len(shorter))}, shorter

    async def _made(self, coding: Coding, body: bytes) -> bytes:
        if len(body) > LARGEST_KEPT:
            return await asyncio.to_thread(coding.whole, body)
        key = coding.name, body
        known = self._kept.get(key)
        if known is not None:
            self._kept.move_to_end(key)
            return known
        made = await asyncio.to_thread(coding.whole, body) if len(body) > ASIDE else coding.whole(body)
        self._keep(key, made)
        return made

    def _keep(self, key: tuple[str, bytes], made: bytes) -> None:
        if key in self._kept:  # another request was in a thread with the same
            return
        self._kept[key] = made
        self.kept += len(key[1]) + len(made)
        while self.kept > self._most_kept:
            (_, body), coded = self._kept.popitem(last=False)
            self.kept -= len(body) + len(coded)


def recoded(headers: Headers, coding: Coding, length: int) -> Headers:
    """The headers of an answer whose body was coded.

    A strong tag that was not made for the coding is weak from here on: it no longer tells the bytes.
    """
    told: Headers = []
    for name, value in headers:
        if name == b"etag" and value[:1] == b'"' and not value.endswith(b'-%b"' % coding.name.encode()):
            told.append((name, b"W/" + value))
        elif name != b"content-length":
            told.append((name, value))
    return [*told, (b"content-encoding", coding.name.encode()), (b"content-length", b"%d" % length)]
