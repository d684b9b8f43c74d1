"""The routes about a client's jobs as an application, which believes every request who makes it."""

from fastapi import FastAPI
from starlette.types import ASGIApp, Scope

from polling_api.api.cursors import Cursors
from polling_api.api.handlers import add_problem_handlers
from polling_api.api.held import Holding
from polling_api.api.hot import HotLane
from polling_api.api.requests import header
from polling_api.api.routes.client_events import ClientEventsEndpoint
from polling_api.api.routes.client_jobs import ClientJobsEndpoints, client_jobs_router
from polling_api.api.routes.listing import ListEndpoint, Page
from polling_api.api.streaming import KeepAlive
from polling_api.representation import Form
from polling_api.watch import ClientFeeds

SET = "/api/v1/batch-status"
EVENTS = f"{SET}/events"
MASTER_KEY = "made-up-for-tests"


def client_app(
    page: Page,
    feeds: ClientFeeds,
    *,
    holding: Holding | None = None,
    keep_alive: KeepAlive | None = None,
    base: str = SET,
) -> ASGIApp:
    """The application of one node."""
    cursors = Cursors([MASTER_KEY])
    form = Form(base)
    events = ClientEventsEndpoint(feeds, holding or Holding(), keep_alive or KeepAlive(15), form, cursors)
    router = client_jobs_router(base, ClientJobsEndpoints(ListEndpoint(page, form, cursors), events), _client_of)
    app = FastAPI()
    add_problem_handlers(app, base)
    app.include_router(router)
    return HotLane(app, router)


def _client_of(scope: Scope) -> str:
    return header(scope, b"x-client") or ""
