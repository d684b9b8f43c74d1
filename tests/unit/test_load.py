"""What comes beyond what a process can do is refused before any work, and nothing else is."""

import pytest
from starlette.types import Message, Receive, Scope, Send

from polling_api.api.hosts import AllowedHosts
from polling_api.api.load import Load
from polling_api.api.middleware import Edge
from polling_api.api.origins import AllowedOrigins
from polling_api.resilience.lag import LoopLag


class Request:
    """One request through the edge, to an application that answers `204` or goes away with the client."""

    def __init__(self, load: Load, *, goes_away: bool = False) -> None:
        self.load = load
        self.status = 0
        self.reached = 0
        self.body = b""
        self.pending_within = 0
        self._goes_away = goes_away
        self._edge = Edge(self._app, AllowedHosts(("*",)), AllowedOrigins(()), load=load)

    async def ask(self, path: str, query: bytes = b"") -> int:
        scope: Scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": query}
        await self._edge(scope, _nothing_comes, self._send)
        return self.status

    async def _app(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        self.reached += 1
        self.pending_within = self.load.pending
        if not self._goes_away:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        self.body += message.get("body", b"")


async def _nothing_comes() -> Message:
    return {"type": "http.disconnect"}


def load_with(*late: float, most_pending: int = 10, waits: int = 0) -> Load:
    lag = LoopLag()
    for one in late:
        lag.tick(one)
    return Load(lag, lambda: waits, most_lag=1.0, most_pending=most_pending)


@pytest.mark.parametrize("late", [(), (5.0,), (5.0, 5.0), (5.0, 5.0, 0.9), (5.0, 0.0, 5.0, 5.0)])
async def test_what_is_late_for_a_moment_is_no_overload(late: tuple[float, ...]) -> None:
    assert await Request(load_with(*late)).ask("/api/v1/jobs/x") == 204


async def test_while_all_is_late_calls_are_refused_before_anything_is_done_for_them() -> None:
    request = Request(load_with(1.1, 1.2, 3.0))

    assert await request.ask("/api/v1/jobs/x") == 503
    assert request.reached == 0


async def test_an_event_source_that_asks_for_it_is_refused_in_a_stream() -> None:
    """Or it would never come again."""
    request = Request(load_with(1.1, 1.2, 3.0))

    assert await request.ask("/api/v1/jobs/x/events", b"refusals=stream") == 200
    assert request.reached == 0
    assert b'"code":"overloaded"' in request.body


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
async def test_operators_are_still_answered(path: str) -> None:
    assert await Request(load_with(9.0, 9.0, 9.0)).ask(path) == 204


@pytest.mark.parametrize(("pending", "waits", "expected"), [(9, 0, 204), (10, 0, 503), (10, 1, 204), (30, 20, 503)])
async def test_so_many_may_be_pending_beside_the_waits(pending: int, waits: int, expected: int) -> None:
    load = load_with(waits=waits)
    load.pending = pending

    assert await Request(load).ask("/api/v1/jobs/x") == expected
    assert load.pending == pending


@pytest.mark.parametrize("goes_away", [False, True])
async def test_a_request_is_pending_until_it_is_answered_or_its_client_is_gone(*, goes_away: bool) -> None:
    load = load_with()
    request = Request(load, goes_away=goes_away)

    await request.ask("/api/v1/jobs/x")

    assert (request.pending_within, load.pending) == (1, 0)
