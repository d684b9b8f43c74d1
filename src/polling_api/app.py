"""Builds everything once; the only place that knows all the parts."""

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

import structlog
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp

from polling_api.api.cursors import Cursors
from polling_api.api.handlers import add_problem_handlers
from polling_api.api.held import Holding
from polling_api.api.hosts import AllowedHosts
from polling_api.api.hot import HotLane
from polling_api.api.middleware import Edge
from polling_api.api.openapi import document_of
from polling_api.api.routes import problem_pages
from polling_api.api.routes.cancel import CancelEndpoint
from polling_api.api.routes.deletion import DeleteEndpoint
from polling_api.api.routes.events import EventsEndpoint
from polling_api.api.routes.history import HistoryEndpoint
from polling_api.api.routes.jobs import JobsEndpoints, jobs_router
from polling_api.api.routes.many_events import ManyEventsEndpoint
from polling_api.api.routes.operations import Operations, operations_router
from polling_api.api.routes.results import ResultsEndpoint
from polling_api.api.routes.status import StatusEndpoint
from polling_api.api.routes.submit import SubmitEndpoint
from polling_api.api.streaming import KeepAlive
from polling_api.api.submission import Rules
from polling_api.hub import Hub, RedisTransport
from polling_api.monitor import BatchMonitor
from polling_api.monitor.alarm import Alarm
from polling_api.monitor.retention import Retention
from polling_api.providers.openai import OpenAIBatches
from polling_api.representation import Form
from polling_api.settings import Settings
from polling_api.store import endings, jobs, leases, results
from polling_api.store import engine as engines
from polling_api.store.source import PrimarySource
from polling_api.watch import Bounds, StatusWatch

SIMPLE_SET = "/api/v1/jobs"
FLUSH_WITHIN = 1.0  # seconds at the end for notices that are still queued
RESTART_AFTER = 1.0  # seconds before a part that failed unexpectedly is started again

_log = structlog.get_logger(__name__)


class Service(NamedTuple):
    """The whole, ready to be served.

    `asgi` answers requests, `described` is the part of it that FastAPI documents, and `holding` is what it holds open,
    for the server to drain.
    """

    asgi: ASGIApp
    described: FastAPI
    holding: Holding


def create_app(settings: Settings) -> Service:
    """Build the service; nothing is connected before its lifespan starts.

    Args:
        settings: with `database_url`, `redis_url` and `master_keys`.

    Raises:
        ValueError: an address is missing, or there is no master key.
    """
    engine = connect(settings, "polling-api")
    transport = RedisTransport(_address(settings.redis_url, "REDIS_URL"), timeout=settings.redis_timeout)
    hub = Hub(transport)
    watch = StatusWatch(PrimarySource(engine), hub, _bounds_of(settings))
    hub.join(watch)
    holding = Holding()
    keep_alive = KeepAlive(settings.keepalive_every)
    endpoints = _jobs_endpoints(settings, SIMPLE_SET, engine, hub, watch, holding, keep_alive)

    async def close() -> None:
        await hub.close()
        await engine.dispose()

    lifespan = _lifespan(hub, [hub.run, watch.run, keep_alive.run], close)
    # A redirect would send a job's id and its holder to another address, when a slash too many is all that is wrong.
    app = FastAPI(title="Polling API", lifespan=lifespan, redirect_slashes=False)
    app.openapi = partial(document_of, app)
    add_problem_handlers(app, SIMPLE_SET)
    jobs_routes = jobs_router(SIMPLE_SET, endpoints)
    app.include_router(jobs_routes)
    app.include_router(
        operations_router(
            Operations(
                holding,
                needed={"postgres": partial(_answers, engine)},
                wanted={"redis": transport.ping, "notices": partial(_listening, hub)},
            )
        )
    )
    app.include_router(problem_pages.router)
    return Service(Edge(HotLane(app, jobs_routes), AllowedHosts(settings.hosts)), app, holding)


def connect(settings: Settings, name: str) -> AsyncEngine:
    """The pool of connections to the primary that `settings` describe, named `name` in `pg_stat_activity`."""
    return engines.connect(
        _address(settings.database_url, "DATABASE_URL"),
        pool_size=settings.pool_size,
        max_overflow=settings.pool_overflow,
        pool_timeout=settings.pool_timeout,
        statement_timeout=settings.statement_timeout,
        application_name=name,
    )


async def run_monitor(settings: Settings) -> None:
    """Look after jobs until cancelled; then give every lease back.

    Raises:
        ValueError: an address is missing.
    """
    engine = connect(settings, "polling-api monitor")
    provider = OpenAIBatches(
        settings.upstream_base,
        api_key=_upstream_key(settings),
        name=settings.provider_name,
        timeout=settings.upstream_timeout,
        concurrency=settings.upstream_concurrency,
    )
    hub = Hub(RedisTransport(_address(settings.redis_url, "REDIS_URL"), timeout=settings.redis_timeout))
    alarm = Alarm()
    hub.join(alarm)
    monitor = BatchMonitor(
        engine,
        provider,
        hub.publish,
        owner=f"{socket.gethostname()}-{secrets.token_hex(8)}",
        interval=settings.monitor_interval,
        lease=settings.lease_seconds,
        concurrency=settings.upstream_concurrency,
        results_keep=settings.results_keep,
        submit_within=settings.submit_within,
        wake=alarm.ringing,
    )
    retention = Retention(
        engine,
        hub.publish_gone,
        jobs_keep=settings.jobs_keep,
        audit_keep=settings.audit_keep,
        every=settings.retention_every,
    )
    parts = (hub.run, monitor.run, retention.run)
    telling, moving, deleting = (asyncio.create_task(_keep_running(part)) for part in parts)
    try:
        await asyncio.Event().wait()
    finally:
        await monitor.stop()
        await _end([moving, deleting])
        await _flush(hub)
        await _end([telling])
        await hub.close()
        await provider.close()
        await engine.dispose()


def openapi_document() -> str:
    """The OpenAPI document as it is kept in the repository; nothing is connected for it."""
    unconnected = Settings(
        database_url=SecretStr("postgresql://"),
        redis_url=SecretStr("redis://"),
        master_keys=(SecretStr("nothing is signed with it"),),
    )
    app = create_app(unconnected).described
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"


def _jobs_endpoints(
    settings: Settings,
    base: str,
    engine: AsyncEngine,
    hub: Hub,
    watch: StatusWatch,
    holding: Holding,
    keep_alive: KeepAlive,
) -> JobsEndpoints:
    form = Form(base)
    cursors = Cursors([key.get_secret_value() for key in settings.master_keys])
    cancel = partial(endings.cancel, engine, results_keep=settings.results_keep)
    return JobsEndpoints(
        submit=SubmitEndpoint(
            create=partial(jobs.create, engine),
            publish=hub.publish,
            watch=watch,
            holding=holding,
            form=form,
            rules=_rules_of(settings),
            provider=settings.provider_name,
            anonymous=settings.simulated or settings.anonymous_submit,
            keys_keep=settings.idempotency_keep,
            max_wait=settings.max_wait,
        ),
        status=StatusEndpoint(watch, holding, form, settings.max_wait),
        events=EventsEndpoint(watch, holding, keep_alive, form),
        many_events=ManyEventsEndpoint(watch, holding, keep_alive, form, cursors),
        history=HistoryEndpoint(watch, partial(_history, engine), base, cursors),
        results=ResultsEndpoint(watch, partial(_page, engine), base),
        cancel=CancelEndpoint(watch, cancel, hub.publish, form),
        delete=DeleteEndpoint(watch, partial(endings.delete, engine), hub.publish_gone),
    )


def _address(url: SecretStr | None, name: str) -> str:
    if url is None:
        raise ValueError(f"POLLING_{name} is not set, and embedded servers are started by `serve` and `run` alone.")
    return url.get_secret_value()


def _bounds_of(settings: Settings) -> Bounds:
    return Bounds(
        compare_every=settings.compare_every,
        oldest_answer=settings.compare_every + 1,
        idle=settings.snapshot_idle,
        snapshots=settings.max_snapshots,
    )


def _rules_of(settings: Settings) -> Rules:
    """What unsigned submits are held to: so far there are no others."""
    return Rules(
        endpoints=settings.endpoints,
        max_json_bytes=settings.max_json_bytes,
        max_batch_bytes=min(settings.max_batch_bytes, settings.anonymous_batch_bytes),
        max_line_bytes=settings.max_line_bytes,
        max_requests=settings.max_requests,
        simulated=settings.simulated,
    )


async def _page(engine: AsyncEngine, job: Any, after: int | None, limit: int) -> list[results.StoredResult]:
    return await results.page(engine, job, after=after, limit=limit)


async def _history(engine: AsyncEngine, job_id: str, after: int, limit: int) -> list[endings.HistoryEntry]:
    return await endings.history(engine, job_id, after=after, limit=limit)


async def _answers(engine: AsyncEngine) -> None:
    await leases.next_due(engine)


async def _listening(hub: Hub) -> None:
    if not hub.listening:
        raise ConnectionError("no notices are heard; jobs are compared with Postgres every second")


def _lifespan(
    hub: Hub, parts: list[Callable[[], Awaitable[None]]], close: Callable[[], Awaitable[None]]
) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        tasks = [asyncio.create_task(_keep_running(part)) for part in parts]
        yield
        await _flush(hub)
        await _end(tasks)
        await close()

    return lifespan


async def _keep_running(part: Callable[[], Awaitable[None]]) -> None:
    """A part that fails unexpectedly is a mistake of ours, and must not end all the others."""
    while True:
        try:
            await part()
        except Exception:  # noqa: BLE001 - logged, and the part begins anew
            _log.exception("a part failed and is started again", part=repr(part))
        await asyncio.sleep(RESTART_AFTER)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _flush(hub: Hub) -> None:
    """What is not sent by then is found by comparison."""
    with suppress(TimeoutError):
        await asyncio.wait_for(hub.flushed(), FLUSH_WITHIN)


def _upstream_key(settings: Settings) -> str | None:
    if settings.upstream_api_key is not None:
        return settings.upstream_api_key.get_secret_value()
    return "simulator" if settings.simulated else None
