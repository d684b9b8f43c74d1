"""All results of a job as lines (NDJSON), sent in batches: what is in memory does not grow with the job."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import orjson
import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from polling_api.api.admission import admission_of
from polling_api.api.held import STALLED_AFTER
from polling_api.api.negotiation import LINES
from polling_api.api.result_documents import result_document
from polling_api.domain.job import Job
from polling_api.errors import PollingError
from polling_api.store.result_pages import ResultPage

PIECE = 64 * 1024  # bytes of a write: a reader who takes one in 30 s is slow, and not gone

_log = structlog.get_logger(__name__)


class ResultLines(Response):
    """A download, which ends with `{"object":"results.end","count":…}` if it is whole.

    Between two batches it holds neither a connection to the database nor a transaction. What makes it impossible to go
    on (results that are deleted meanwhile, a token's end, a database that is away) is said on a line of its own, and
    the connection is broken, so that no client takes a part for the whole.

    Args:
        job: whose results they are.
        first: the first batch.
        read_after: reads the batch after an index.
        headers: beside the media type.
        stalled_after: seconds in which a reader takes nothing, after which it is given up.
    """

    media_type = LINES

    def __init__(
        self,
        job: Job,
        first: ResultPage,
        read_after: Callable[[int], Awaitable[ResultPage]],
        headers: Mapping[str, str],
        *,
        stalled_after: float = STALLED_AFTER,
    ) -> None:
        super().__init__(headers=dict(headers))
        del self.headers["content-length"]  # nobody knows it
        self._job = job
        self._page = first
        self._read_after = read_after
        self._stalled_after = stalled_after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send it (ASGI)."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        try:
            await self._send_batches(scope, send)
        except PollingError as error:
            _log.info("a download cannot go on", job_id=self._job.id, reason=error.code)
            line = {"object": "results.cut", "code": error.code, "message": error.detail}
            await self._send(send, orjson.dumps(line) + b"\n")
        except TimeoutError:
            _log.info("a download was given up: its reader takes nothing", job_id=self._job.id)
        else:
            end = orjson.dumps({"object": "results.end", "count": self._job.progress.total}) + b"\n"
            await self._send(send, end, more=False)

    async def _send_batches(self, scope: Scope, send: Send) -> None:
        while True:
            if (refusal := admission_of(scope).lapsed()) is not None:
                raise refusal
            items, more = self._page.items, self._page.more
            lines = b"".join(orjson.dumps(result_document(item)) + b"\n" for item in items)
            for start in range(0, len(lines), PIECE):
                await self._send(send, lines[start : start + PIECE])
            if not more:
                return
            self._page = await self._read_after(items[-1].index)

    async def _send(self, send: Send, body: bytes, *, more: bool = True) -> None:
        async with asyncio.timeout(self._stalled_after):
            await send({"type": "http.response.body", "body": body, "more_body": more})
