"""What every request gets, as one plain ASGI middleware: correlation, the outermost headers, metrics, one log line."""

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polling_api import metrics
from polling_api.api.answers import OUTER, WHOLE, Answer
from polling_api.api.checked import ROUTE, TRANSPORT, CheckedRoute
from polling_api.api.codings import Accepted, accepted_codings
from polling_api.api.compression import Compression, may_be_coded
from polling_api.api.guard import LIMITED, NoWatcher, Watcher
from polling_api.api.header_lines import headers_of
from polling_api.api.held import send_whole
from polling_api.api.hosts import AllowedHosts
from polling_api.api.load import Load, NoLoad, overloaded
from polling_api.api.origins import AllowedOrigins, origin_of
from polling_api.api.problems import OUTCOME, PROBLEM, problem
from polling_api.api.requests import IDS, RequestIds, forget_head, header, once
from polling_api.errors import Misdirected, PollingError
from polling_api.logs import correlate
from polling_api.representation import API_VERSION

# Printable, and nothing that could end a header or a log line.
_CORRELATION = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_VERSION_LINE = b"x-api-version: %b\r\n" % API_VERSION.encode()
_GUARDS = b"x-content-type-options: nosniff\r\nreferrer-policy: no-referrer\r\n"

_VARY_ALONE = b"vary: Accept-Encoding\r\n"

_ROOT = logging.getLogger()
_log = structlog.get_logger(__name__)


class _Date:
    """The time at which an answer starts (RFC 9110, section 6.6.1), formatted once a second.

    uvicorn's own is of the request's start, which for an answer that was waited for is before `Last-Modified`.
    """

    def __init__(self) -> None:
        self._second = 0
        self._formatted = b""

    def now(self) -> bytes:
        """The present time as an HTTP date."""
        second = int(time.time())
        if second != self._second:
            self._second, self._formatted = second, formatdate(second, usegmt=True).encode()
        return self._formatted


class _Ids:
    """32 hexadecimal digits from the system's generator, asked for 256 at a time: a call of its own takes 2 µs."""

    def __init__(self) -> None:
        self._left: list[str] = []

    def next(self) -> str:
        """An id that nobody had before, and nobody can guess."""
        if not self._left:
            digits = secrets.token_hex(16 * 256)
            self._left = [digits[at : at + 32] for at in range(0, len(digits), 32)]
        return self._left.pop()


_DATE, _IDS = _Date(), _Ids()


def _nobody_told(_scope: Scope, _code: str) -> None:
    """For what refuses by itself, before anybody is known."""


class Edge:
    """The outermost layer: nothing leaves without a correlation id, a figure and, at worst, a `500`.

    Args:
        app: what answers.
        hosts: those whose requests are let through.
        origins: those whose pages may read answers, and write.
        refused: told of each request that was refused for who made it, with the problem's code.
        guard: looks at every request, and says what is left to its caller.
        load: says whether there is room for one more.
        compression: compresses answers.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: AllowedHosts,
        origins: AllowedOrigins,
        refused: Callable[[Scope, str], None] = _nobody_told,
        guard: Watcher | None = None,
        load: Load | NoLoad | None = None,
        compression: Compression | None = None,
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._origins = origins
        self._refused = refused
        self._guard = guard or NoWatcher()
        self._load = load or NoLoad()
        self._compression = compression or Compression()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        framed = _Framed(scope, send, self._outer, self._compression)
        overload = self._meet(scope)
        _identify(scope)
        try:
            answer = self._answer_at_once(scope, overload=overload)
            if answer is None:
                await self._app(scope, receive, framed)
            else:
                await send_whole(answer, scope, framed)
        except PollingError as error:
            # What is refused here or by a hot route on the lane, where no handler of FastAPI's stands.
            if framed.status:
                raise
            await send_whole(problem(error, scope), scope, framed)
        except Exception:
            _log.exception("request failed", method=scope["method"], path=scope["path"])
            if framed.status:
                raise
            error = PollingError("Something went wrong on our side. The correlation id helps us to find out what.")
            await send_whole(problem(error, scope), scope, framed)
        finally:
            if not framed.status:  # its client went away before
                self._load.pending -= 1

    def _meet(self, scope: Scope) -> bool:
        """Take a request in; answers whether it is one too many."""
        overload = self._load.too_much and scope["path"].startswith(LIMITED)  # health and metrics still answer
        if not overload:
            self._guard.meet(scope)
        self._load.pending += 1
        return overload

    def _outer(self, scope: Scope, start: Message, seconds: float) -> bytes:
        """The outermost header lines of an answer that begins now, and what has to be done as it does.

        Args:
            scope: the request.
            start: the beginning of the answer.
            seconds: since the request came.
        """
        status = start["status"]
        self._load.pending -= 1
        origin = origin_of(scope)
        forget_head(scope)  # nobody asks any more
        self._tell(scope, status, seconds)
        # What is put into lines here as it is is ours, but for a caller's correlation id, which `_CORRELATION` checks.
        lines = b"date: %b\r\nx-correlation-id: %b\r\n%b%b" % (
            _DATE.now(),
            scope[IDS].correlation.encode(),
            _VERSION_LINE,
            self._guard.told(scope, status),
        )
        if origin is not None:
            lines += self._origins.lines_for(origin)
        if not scope["path"].startswith(LIMITED) and not any(name == b"vary" for name, _ in start["headers"]):
            lines += _VARY_ALONE  # pages and documents: there is nothing else that their form depends on
        # A 304 has no body to guard, and every byte of it is sent very often.
        return lines if status == 304 else lines + _GUARDS  # noqa: PLR2004

    def _answer_at_once(self, scope: Scope, *, overload: bool) -> Answer | None:
        """The answer to a browser's preflight; None where the request may go on.

        Raises:
            Unavailable: there is too much to do (`overloaded`).
            Misdirected, Refused: the request's host or origin is none of ours.
        """
        if overload:
            raise overloaded()
        if once(scope, self._is_plain):
            return None
        host = header(scope, b"host")
        if not self._hosts.allow(host):
            raise Misdirected(f"This service does not answer for the host {str(host)[:100]!r}.")
        origin = origin_of(scope)
        if origin is None:
            return None
        preflight = self._origins.preflight(origin, scope)
        if preflight is None:
            self._origins.require_writable(origin, scope)
        return preflight

    def _is_plain(self, scope: Scope) -> bool:
        """Whether a request is for a host of ours and made by no page, as nearly all are."""
        return self._hosts.allow(header(scope, b"host")) and origin_of(scope) is None

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        code = scope.get(PROBLEM)
        _record(scope, status if code is None else scope[OUTCOME], seconds)
        if code is not None:
            self._refused(scope, code)


class _Framed:
    """A `send` that gives an answer its outermost headers. Not a closure: that takes 600 bytes of each open stream.

    Args:
        scope: the request.
        send: the server's.
        outer: makes the header lines, of the request, the answer's beginning, and the seconds so far.
        compression: compresses what may be, and is worth it.
    """

    __slots__ = ("_compression", "_kept_back", "_outer", "_scope", "_send", "_started", "status")

    def __init__(
        self, scope: Scope, send: Send, outer: Callable[[Scope, Message, float], bytes], compression: Compression
    ) -> None:
        self._scope = scope
        self._send = send
        self._outer = outer
        self._compression = compression
        self._kept_back: tuple[Message, Accepted] | None = None  # a beginning that waits for its body, to be compressed
        self._started = time.perf_counter()
        self.status = 0  # until the answer begins

    def __call__(self, message: Message) -> Awaitable[None]:
        """Send a part of the answer, or all of it (ASGI)."""
        kind = message["type"]
        if kind == WHOLE:
            accepted = self._coded_for(message)
            message[OUTER] = self._begun(message)
            return self._send(message) if accepted is None else self._send_coded(message, accepted)
        if kind == "http.response.start":
            accepted = self._coded_for(message)
            headers = [*message["headers"], *headers_of(self._begun(message))]
            message = {**message, "headers": headers}
            if accepted is not None:
                self._kept_back = message, accepted
                return _nothing_yet()
        elif self._kept_back is not None:
            return self._send_both(message, *self._kept_back)
        return self._send(message)

    def _begun(self, start: Message) -> bytes:
        self.status = start["status"]
        return self._outer(self._scope, start, time.perf_counter() - self._started)

    def _coded_for(self, start: Message) -> Accepted | None:
        """What the caller takes, where that is more than the plain body and this may be coded; None elsewhere."""
        if not may_be_coded(self._scope, start):
            return None
        accepted = accepted_codings(self._scope)
        return None if accepted.best is None else accepted

    async def _send_coded(self, whole: Message, accepted: Accepted) -> None:
        whole, body = await self._compression.coded(whole, whole["body"], accepted)
        await self._send({**whole, "body": body})

    async def _send_both(self, message: Message, start: Message, accepted: Accepted) -> None:
        """Send the beginning that waited for this body, and the body."""
        self._kept_back = None
        if not message.get("more_body"):
            start, body = await self._compression.coded(start, message.get("body", b""), accepted)
            message = {**message, "body": body}
        await self._send(start)
        await self._send(message)


async def _nothing_yet() -> None:
    """What is sent of an answer that waits for its body."""


def _identify(scope: Scope) -> None:
    """Give a request an id of ours, and the correlation id that goes through all that is logged of it."""
    request_id = _IDS.next()
    ids = scope[IDS] = RequestIds(once(scope, _correlation_id) or request_id, request_id)
    correlate(ids)


def _correlation_id(scope: Scope) -> str | None:
    """The caller's own, where it is well formed; otherwise ours stands for it."""
    given = header(scope, b"x-correlation-id")
    return given if given and _CORRELATION.fullmatch(given) else None


def _record(scope: Scope, status: int, seconds: float) -> None:
    route: CheckedRoute | None = scope.get(ROUTE)
    transport = scope.get(TRANSPORT) or ("call" if route is None else route.transport)
    metrics.request_seconds(route.path_format if route else _path_of(scope), transport, status).observe(seconds)
    # A poll a second from each of thousands of clients: their lines are for debugging alone.
    level = logging.DEBUG if transport != "call" and status < HTTPStatus.BAD_REQUEST else logging.INFO
    if _ROOT.isEnabledFor(level):
        ms = round(seconds * 1000, 2)
        _log.log(level, "answered", method=scope["method"], path=scope["path"], status=status, ms=ms)


def _path_of(scope: Scope) -> str:
    route: Any = scope.get("route")
    return getattr(route, "path_format", "none")
