"""The routes about a client's jobs as an application, which believes every request who makes it."""

from collections.abc import Mapping, Sequence
from time import time

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from polling_api.api.admission import Admission, admitted
from polling_api.api.checked import CheckedRoute, behind
from polling_api.api.cursors import Cursors
from polling_api.api.handlers import add_problem_handlers
from polling_api.api.held import Holding
from polling_api.api.hosts import EVERY_HOST
from polling_api.api.hot import HotEndpoint, HotLane, HotRoute
from polling_api.api.lapsing import Lapsing
from polling_api.api.limits import RouteLimiter
from polling_api.api.middleware import Edge
from polling_api.api.negotiation import EVENT_STREAM
from polling_api.api.open_streams import OpenStreams
from polling_api.api.origins import NO_ORIGIN
from polling_api.api.requests import header
from polling_api.api.routes.account import add_jobs
from polling_api.api.routes.client_events import ClientEventsEndpoint
from polling_api.api.routes.listing import ListEndpoint, Page
from polling_api.api.streaming import KeepAlive
from polling_api.domain.caller import Caller
from polling_api.ratelimit import Counters, Figures, Windows
from polling_api.representation import Form
from polling_api.watch import ClientFeeds

SET = "/api/v1/batch-status"
EVENTS = f"{SET}/events"
MASTER_KEY = "made-up-for-tests"


class BelievingDoor:
    """Takes everybody for the client that a header names."""

    refuses: tuple[str, ...] = ()
    security: Sequence[Mapping[str, list[str]]] = ()

    async def admit(self, scope: Scope, receive: Receive) -> Admission:  # noqa: ARG002
        return Admission(Caller(header(scope, b"x-client") or "", "key_of_a_test"))


def client_app(
    page: Page,
    feeds: ClientFeeds,
    *,
    holding: Holding | None = None,
    keep_alive: KeepAlive | None = None,
    base: str = SET,
) -> ASGIApp:
    """The application of one node."""
    cursors, form, door = Cursors([MASTER_KEY]), Form(base), BelievingDoor()
    streams = OpenStreams(holding or Holding(), keep_alive or KeepAlive(15), Lapsing())
    events = ClientEventsEndpoint(feeds, streams, form, cursors)

    async def follow(scope: Scope, receive: Receive, send: Send) -> None:
        admission = await admitted(door, scope, receive)
        await events(admission.caller.client_id or "", admission, scope, receive, send)

    router = APIRouter(route_class=behind(door, CheckedRoute))
    add_jobs(router, ListEndpoint(page, form, cursors), _unlimited())
    router.add_api_route(
        f"{base}/events",
        HotEndpoint(follow, _documentation, EVENT_STREAM),
        methods=["GET", "HEAD"],
        route_class_override=HotRoute,
    )
    app = FastAPI()
    add_problem_handlers(app, [base])
    app.include_router(router)
    return Edge(HotLane(app, [router]), EVERY_HOST, NO_ORIGIN)


def _unlimited() -> RouteLimiter:
    counters, figures = Counters(), Figures().meant()
    limiter = RouteLimiter(counters, Windows(counters, figures), figures, time)
    limiter.enabled = False
    return limiter


async def _documentation() -> None:
    """Nobody reads it."""
