"""Requests to an ASGI application without a server: held open until the visitor leaves."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlencode

from starlette.types import ASGIApp, Message

from in_process.deadlines import eventually
from in_process.sockets import Socket


class Visit(Socket):
    """One request and what it was answered."""

    def __init__(self) -> None:
        super().__init__()
        self.headers: dict[str, str] = {}
        self._left = asyncio.Event()

    async def receive(self) -> Message:
        """ASGI's `receive`: nothing comes but the end."""
        parts = [asyncio.create_task(one.wait()) for one in (self._left, self.ended)]
        await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        for part in parts:
            part.cancel()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        await super().send(message)

    def leave(self) -> None:
        """Go away."""
        self._left.set()

    def versions(self, job_id: str) -> list[int]:
        """The versions of a job that came, in order."""
        return [event.job["version"] for event in self.events if event.job["id"] == job_id]

    def statuses(self, job_id: str) -> list[str]:
        """The statuses of a job that came, in order."""
        return [event.job["status"] for event in self.events if event.job["id"] == job_id]

    async def told_of(self, job_id: str, status: str, within: float = 5.0) -> None:
        """Return when a job's status has come."""
        await eventually(lambda: status in self.statuses(job_id), within)


@asynccontextmanager
async def visiting(
    app: ASGIApp,
    path: str,
    headers: Mapping[str, str],
    *,
    query: Mapping[str, str] | None = None,
    method: str = "GET",
    full: bool = False,
) -> AsyncGenerator[Visit]:
    """Ask, and leave when the block ends; what fails in the application fails the test.

    Where the socket is `full`, the visitor takes nothing before it says so.
    """
    visit = Visit()
    if full:
        visit.fill()
    scope: dict[str, object] = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": urlencode(query or {}).encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    serving = asyncio.create_task(_served(app, scope, visit))
    try:
        await eventually(lambda: full or visit.status is not None or serving.done())
        yield visit
    finally:
        visit.leave()
        visit.empty()
        async with asyncio.timeout(20):
            await serving


async def _served(app: ASGIApp, scope: dict[str, object], visit: Visit) -> None:
    await app(scope, visit.receive, visit.send)
