"""The service that answers HTTP, as one ASGI application."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

from fastapi import APIRouter, FastAPI
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp

from polling_api.api.auditing import RefusalsTold
from polling_api.api.guard import Watcher
from polling_api.api.handlers import add_problem_handlers
from polling_api.api.held import Holding
from polling_api.api.hosts import AllowedHosts
from polling_api.api.hot import HotLane
from polling_api.api.load import Load
from polling_api.api.middleware import Edge
from polling_api.api.openapi import document_of
from polling_api.api.origins import AllowedOrigins
from polling_api.api.routes import problem_pages
from polling_api.api.routes.operations import Operations, operations_router
from polling_api.api.routes.pushes import PushesEndpoint, pushes_router
from polling_api.app import running
from polling_api.app.core import Core, assemble
from polling_api.app.sets import SIGNED_SET, SIMPLE_SET, signed_set, simple_set
from polling_api.hub import Hub
from polling_api.resilience.news_first import NewsFirst
from polling_api.settings import Settings
from polling_api.store import leases
from polling_api.store.shares import Kind
from polling_api.webhooks.standard import key_of


class Service(NamedTuple):
    """The whole, ready to be served.

    `asgi` answers requests, `described` is the part of it that FastAPI documents, `holding` is what it holds open, for
    the server to drain, `guard` says what is left to whom the server itself refuses, and `news` which requests the
    server holds back.
    """

    asgi: ASGIApp
    described: FastAPI
    holding: Holding
    guard: Watcher
    news: NewsFirst


def create_app(settings: Settings) -> Service:
    """Build the service; nothing is connected before its lifespan starts.

    Args:
        settings: with `database_url`, `redis_url` and `master_keys`.

    Raises:
        ValueError: an address is missing, there is no master key, or a trusted proxy is no network.
    """
    return service_of(assemble(settings))


def service_of(core: Core) -> Service:
    """Build the service over its parts."""
    settings, guard = core.settings, core.limiting.guard
    # A redirect would send a job's id and its holder to another address, when a slash too many is all that is wrong.
    app = FastAPI(title="Polling API", lifespan=_lifespan(core), redirect_slashes=False)
    app.openapi = partial(document_of, app)
    add_problem_handlers(app, [SIMPLE_SET, SIGNED_SET], guard.unrouted)
    sets = [simple_set(core), *signed_set(core)]
    for router in (*sets, operations_router(_operations(core)), problem_pages.router, *_pushes(core)):
        app.include_router(router)
    edge = Edge(
        HotLane(app, sets),
        AllowedHosts(settings.hosts),
        AllowedOrigins(settings.cors_origins),
        RefusalsTold(core.refusals.count),
        guard,
        Load(
            core.lag,
            lambda: core.holding.waits,
            most_lag=settings.overload_lag,
            most_pending=settings.overload_requests,
        ),
    )
    return Service(edge, app, core.holding, guard, core.news)


def openapi_document() -> str:
    """The OpenAPI document as it is kept in the repository; nothing is connected for it."""
    unconnected = Settings(
        database_url=SecretStr("postgresql://"),
        redis_url=SecretStr("redis://"),
        master_keys=(SecretStr("nothing is signed with it"),),
    )
    app = create_app(unconnected).described
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"


def _pushes(core: Core) -> list[APIRouter]:
    """Where the provider's events come in; nowhere, unless it is known how it signs them."""
    keys = [key_of(secret.get_secret_value()) for secret in core.settings.upstream_webhook_secret]
    return [pushes_router(PushesEndpoint(keys, core.pushes.take))] if keys else []


def _operations(core: Core) -> Operations:
    return Operations(
        core.holding,
        needed={"postgres": partial(_answers, core.pools[Kind.UPKEEP])},
        wanted={
            "redis": core.transport.ping,
            "notices": partial(_listening, core.hub),
            "limits": core.limiting.together,
            **core.replication.checks,
        },
        warnings=lambda: [*core.limiting.warnings(), *core.restarts.warnings()],
        circuits=core.circuits.states,
    )


async def _answers(engine: AsyncEngine) -> None:
    await leases.next_due(engine)


async def _listening(hub: Hub) -> None:
    if not hub.listening:
        raise ConnectionError("no notices are heard; jobs are compared with Postgres every second")


def _lifespan(core: Core) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        tasks = running.start(core.running, core.restarts)
        yield
        await running.flush(core.hub)
        await running.end(tasks)
        await core.close()

    return lifespan
