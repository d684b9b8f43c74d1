"""slowapi's decorators on ordinary routes, over the same counters as hot reads."""

from collections.abc import Awaitable, Callable

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from limits import parse
from limits.strategies import SlidingWindowCounterRateLimiter
from slowapi.errors import RateLimitExceeded
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from in_process.clocks import Clock
from polling_api.api.header_lines import headers_of
from polling_api.api.limits import DECISION, PARTY, RouteLimiter, limit_lines, refusal_of
from polling_api.ratelimit import Counters, CountersStorage, Figures, Windows, client, nobody

NOON = 1_795_600_800.0  # epoch seconds
FIGURES = Figures()
SOMEBODY = nobody("192.0.2.1", FIGURES)

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Routes:
    """An application with one route of each kind."""

    def __init__(self) -> None:
        self.clock = Clock(NOON)
        self.counters = Counters()
        self.windows = Windows(self.counters, FIGURES)
        self.limiter = RouteLimiter(self.counters, self.windows, FIGURES, self.clock)
        self.party = SOMEBODY
        app = FastAPI()
        app.add_exception_handler(RateLimitExceeded, self._tell)
        app.include_router(self._router())
        self._app = app

    def _router(self) -> APIRouter:
        router = APIRouter(prefix="/jobs")
        limiter = self.limiter

        @router.post("")
        @limiter.hourly(weight=3)
        async def submit(request: Request) -> str:
            return request.method

        @router.get("/{job_id}/results")
        @limiter.of_a_job()
        async def results(request: Request, job_id: str) -> str:
            return f"{request.method} {job_id}"

        assert submit
        assert results
        return router

    async def _tell(self, request: Request, _: Exception) -> Response:
        refusal = refusal_of(request.scope)
        return PlainTextResponse(refusal.code, 429, {"retry-after": str(refusal.retry_after)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[PARTY] = self.party
        await self._app(scope, receive, send)

    async def ask(self, method: str, path: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self), base_url="http://test") as asking:
            return await asking.request(method, path)


@pytest.fixture
def routes() -> Routes:
    return Routes()


async def test_a_declared_route_is_limited_to_its_ten_in_ten_seconds(routes: Routes) -> None:
    answers = [(await routes.ask("GET", "/jobs/job_1/results")).status_code for _ in range(11)]
    another = await routes.ask("GET", "/jobs/job_2/results")
    routes.clock.now += 10
    later = await routes.ask("GET", "/jobs/job_1/results")

    assert answers == [200] * 10 + [429]
    assert (another.status_code, later.status_code) == (200, 200)


async def test_the_refusal_says_when_to_come_back_and_counts_nowhere(routes: Routes) -> None:
    answers = [await routes.ask("GET", "/jobs/job_1/results") for _ in range(30)]

    assert (answers[-1].text, answers[-1].headers["retry-after"]) == ("rate_limited", "10")
    assert routes.windows.peek(SOMEBODY, NOON).remaining == 990


async def test_ordinary_routes_and_hot_reads_share_the_callers_hour(routes: Routes) -> None:
    for number in range(995):
        routes.windows.decide(SOMEBODY, NOON, job=f"job_{number}")

    answers = [(await routes.ask("POST", "/jobs")).status_code for _ in range(2)]

    assert answers == [200, 429]  # each weighs three
    assert routes.windows.peek(SOMEBODY, NOON).remaining == 2


async def test_the_figure_of_an_hour_is_the_callers_own(routes: Routes) -> None:
    routes.party = client("client_1", FIGURES, own_hour=7)

    answers = [(await routes.ask("POST", "/jobs")).status_code for _ in range(3)]

    assert answers == [200, 200, 429]


async def test_no_header_is_slowapis(routes: Routes) -> None:
    answer = await routes.ask("GET", "/jobs/job_1/results")

    assert not [name for name in answer.headers if name.startswith(("x-ratelimit", "retry-after"))]


def test_the_headers_of_an_answer_are_those_of_its_decision() -> None:
    decision = Windows(Counters(), FIGURES).decide(SOMEBODY, NOON, job="job_1")

    assert headers_of(limit_lines(decision)) == [
        (b"x-ratelimit-limit", b"10"),
        (b"x-ratelimit-remaining", b"9"),
        (b"x-ratelimit-reset", b"%d" % (NOON + 10)),
    ]
    assert DECISION == "polling.limits"


def test_the_strategy_of_limits_works_on_the_storage_unchanged() -> None:
    clock = Clock(NOON)
    counters = Counters()
    storage = CountersStorage(counters, clock)
    strategy, item = SlidingWindowCounterRateLimiter(storage), parse("10 per 10 second")

    hits = [strategy.hit(item, SOMEBODY.key, "somewhere") for _ in range(11)]
    stats = strategy.get_window_stats(item, SOMEBODY.key, "somewhere")
    clock.now += 9.5
    still = strategy.test(item, SOMEBODY.key, "somewhere")
    clock.now += 0.5
    again = strategy.test(item, SOMEBODY.key, "somewhere")

    assert hits == [True] * 10 + [False]
    assert (stats.remaining, still, again) == (0, False, True)
    assert storage.check()
    strategy.clear(item, SOMEBODY.key, "somewhere")
    assert strategy.get_window_stats(item, SOMEBODY.key, "somewhere").remaining == 10
    assert storage.reset() == 1
    assert len(counters) == 0
