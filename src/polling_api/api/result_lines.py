"""All results of a job as lines (NDJSON), sent in batches: what is in memory does not grow with the job."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from random import random
from typing import Any

import orjson
import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from polling_api.api.admission import admission_of
from polling_api.api.answers import CUT
from polling_api.api.compression import ASIDE
from polling_api.api.held import STALLED_AFTER, Holding, going_away
from polling_api.api.limits import PARTY
from polling_api.api.negotiation import LINES
from polling_api.api.result_documents import result_document
from polling_api.coding import Coding
from polling_api.domain.job import Job
from polling_api.errors import PollingError, Unavailable
from polling_api.resilience.backoff import full_jitter
from polling_api.store.result_pages import ResultPage, StoredResult

PIECE = 64 * 1024  # bytes of a write: a reader who takes one in 30 s is slow, and not gone

# Seconds for which a database that cannot answer is waited for, in the midst of a download that would have to be begun
# again by a client that cannot resume. A failover takes a few; those who wait for the next byte give up after 30.
PATIENT_FOR = 20.0
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 2.0  # seconds: what they may be at most

_log = structlog.get_logger(__name__)


class ResultLines(Response):
    """A download, which ends with `{"object":"results.end","count":…}` if it is whole.

    Between two batches it holds neither a connection to the database nor a transaction. A database that has too much to
    do, or is away for a moment, is waited for. What makes it impossible to go on (results that are deleted meanwhile, a
    token's end, a database that stays away) is said on a line of its own, and the connection is broken, so that no
    client takes a part for the whole; a coded one lacks its coding's end too.

    It is held as streams of events are: counted for its reader, and let go when the process stops. A slow reader costs
    a megabyte for as long as it reads, and an address could have any number of them.

    Args:
        job: whose results they are.
        begin: reads the first batch, once it is sure that nothing else forbids the download.
        read_after: reads the batch after an index.
        headers: beside the media type.
        holding: counts it.
        shown: an item as it is sent.
        coding: in which it is sent; None as it is. A reader can read each batch as soon as it has come.
        stalled_after: seconds in which a reader takes nothing, after which it is given up.
        patient_for: seconds in which the database cannot answer, after which it is given up.
    """

    media_type = LINES

    def __init__(
        self,
        job: Job,
        begin: Callable[[], Awaitable[ResultPage]],
        read_after: Callable[[int], Awaitable[ResultPage]],
        headers: Mapping[str, str],
        *,
        holding: Holding,
        shown: Callable[[StoredResult], Mapping[str, Any]] = result_document,
        coding: Coding | None = None,
        stalled_after: float = STALLED_AFTER,
        patient_for: float = PATIENT_FOR,
    ) -> None:
        super().__init__(headers=dict(headers))
        del self.headers["content-length"]  # nobody knows it
        if coding is not None:
            self.headers["content-encoding"] = coding.name
        self._job = job
        self._begin = begin
        self._holding = holding
        self._leaving = False
        self._page: ResultPage | None = None
        self._read_after = read_after
        self._shown = shown
        self._coding = coding
        self._stalled_after = stalled_after
        self._patient_for = patient_for

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send it (ASGI).

        Raises:
            TooMany: the reader holds as much open as it may.
            Unavailable: the process does, or is going away; or the database does not answer.
            PollingError: there is nothing to read any more.
        """
        if self._holding.draining:
            raise going_away()
        with self._holding.holds(self, "stream", scope.get(PARTY)):
            self._page = await self._begin()
            await self._send_all(scope, send)

    def drain(self) -> None:
        """End after what is being written: the process stops, and another has the rest."""
        self._leaving = True

    async def _send_all(self, scope: Scope, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        body = _Body(send, self._coding, self._stalled_after)
        try:
            whole = await self._send_lines(scope, body)
        except TimeoutError:
            whole = self._given_up("takes nothing")
        except ConnectionError:
            whole = self._given_up("is gone")
        if not whole and CUT in scope.get("extensions", ()):
            await send({"type": CUT})

    async def _send_lines(self, scope: Scope, body: "_Body") -> bool:
        """Send all lines, or those that there are and why there are no more; answers whether it was all."""
        try:
            await self._send_batches(scope, body)
        except PollingError as error:
            _log.info("a download cannot go on", job_id=self._job.id, reason=error.code)
            await body.send(_line({"object": "results.cut", "code": error.code, "message": error.detail}))
            return False
        await body.end(_line({"object": "results.end", "count": self._job.progress.total}))
        return True

    def _given_up(self, reader: str) -> bool:
        _log.info("a download was given up", job_id=self._job.id, reader=reader)
        return False

    async def _send_batches(self, scope: Scope, body: "_Body") -> None:
        page, self._page = self._page, None
        while page is not None:
            if (refusal := admission_of(scope).lapsed()) is not None:
                raise refusal
            last = page.items[-1].index if page.more else None
            lines = b"".join([_line(self._shown(item)) for item in page.items])
            page = None  # a slow reader would keep both: the items, and the lines they are made into
            await body.send(lines)
            del lines
            if last is None:
                return
            if self._leaving:
                raise going_away()
            page = await self._read_on(last)

    async def _read_on(self, last: int) -> ResultPage:
        """The batch after an index.

        Raises:
            Unavailable: the database does not answer, and was waited for.
            PollingError: there is nothing to read any more.
        """
        loop = asyncio.get_running_loop()
        until, failures = loop.time() + self._patient_for, 0
        while True:
            try:
                return await self._read_after(last)
            except Unavailable:
                failures += 1
                wait = full_jitter(failures, first=_FIRST_WAIT, most=_LONGEST_WAIT, chance=random())  # noqa: S311 - it spreads readers
                if loop.time() + wait >= until:
                    raise
            await asyncio.sleep(wait)


class _Body:
    """The body of an answer, sent in pieces, each of which a reader has to take in time.

    Args:
        send: the server's.
        coding: in which it is sent.
        stalled_after: seconds for a piece.
    """

    def __init__(self, send: Send, coding: Coding | None, stalled_after: float) -> None:
        self._send = send
        self._compressor = coding and coding.compressor()
        self._stalled_after = stalled_after

    async def send(self, part: bytes) -> None:
        """Send a part, to its end.

        Raises:
            TimeoutError: the reader takes nothing.
            ConnectionError: it is gone.
        """
        if self._compressor is not None and part:
            add = self._compressor.add
            part = await asyncio.to_thread(add, part) if len(part) > ASIDE else add(part)
        for start in range(0, len(part), PIECE):
            await self._write(part[start : start + PIECE], more=True)

    async def end(self, part: bytes) -> None:
        """Send the last part.

        Raises:
            TimeoutError: the reader takes nothing.
        """
        if self._compressor is not None:
            part = self._compressor.add(part) + self._compressor.end()
        await self._write(part, more=False)

    async def _write(self, piece: bytes, *, more: bool) -> None:
        async with asyncio.timeout(self._stalled_after):
            await self._send({"type": "http.response.body", "body": piece, "more_body": more})


def _line(document: object) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
