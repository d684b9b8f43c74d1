"""Two nodes asked from another thread, each answer with the moment its question was sent."""

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from fuzz.contract import Asked, Job
from fuzz.streams import OpenStream
from running.jobs import SET

WITHIN = 25.0  # seconds for any answer: less than the wait that a finished job is asked for
T = TypeVar("T")


@dataclass(frozen=True)
class Answered:
    """An answer; `asked` says of whom and since when, `now` when it was there (monotonic seconds)."""

    answer: httpx.Response
    asked: Asked
    now: float

    @property
    def status(self) -> int:
        """Its status."""
        return self.answer.status_code

    @property
    def tag(self) -> str:
        """Its entity tag."""
        return self.answer.headers["etag"]

    @property
    def body(self) -> Any:
        """Its body."""
        return self.answer.json()

    @property
    def code(self) -> str:
        """The problem's code."""
        return self.answer.json()["code"]


class Nodes:
    """The nodes of one service.

    Args:
        clients: one for each node.
        loop: which they belong to; it runs in another thread than the caller's.
    """

    def __init__(self, clients: Sequence[httpx.AsyncClient], loop: asyncio.AbstractEventLoop) -> None:
        self._clients = clients
        self._loop = loop

    def ask(
        self,
        node: int,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
    ) -> Answered:
        """One call."""
        asked = Asked(node, time.monotonic())
        call = self._clients[node].request(method, path, headers=headers, params=params, json=json, timeout=WITHIN)
        answer = self._run(call)
        return Answered(answer, asked, time.monotonic())

    def pages(self, node: int, path: str, limit: int) -> tuple[list[Job], Answered]:
        """All pages of a list, and the answer that is the first of them, or the refusal."""
        first = page = self.ask(node, "GET", path, params={"limit": limit})
        items: list[Job] = []
        while page.status == 200:
            items += page.body["data"]
            following = page.answer.links.get("next", {}).get("url")
            assert (following is not None) == page.body["has_more"] == (page.body["next_cursor"] is not None)
            if following is None:
                return items, first
            page = self.ask(node, "GET", following)
        return items, page

    def follow(self, stream: OpenStream, path: str, last_event_id: str | None, params: Mapping[str, str]) -> None:
        """Begin a stream; it goes on by itself."""
        self._run(stream.begin(self._clients[stream.node], path, last_event_id, params))

    def follow_to_the_end(self, stream: OpenStream) -> None:
        """Wait for a stream's end."""
        self._run(stream.end())

    def abandon(self, stream: OpenStream) -> None:
        """Leave a stream."""
        self._run(stream.abandon())

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result(2 * WITHIN)


def path_of(job_id: str, *more: str) -> str:
    """The address of a job, or of what is below it."""
    return "/".join((SET, job_id, *more))
