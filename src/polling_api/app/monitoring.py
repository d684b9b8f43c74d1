"""The monitor: a process, or a part of one, that looks after jobs."""

import asyncio
import secrets
import socket
from collections.abc import Sequence

from polling_api import tallies
from polling_api.app import connections, running
from polling_api.app.circuits import Circuits, provider_circuit
from polling_api.app.pools import monitor_pools
from polling_api.app.restarts import Restarts
from polling_api.app.waiting import until_there
from polling_api.app.webhooks import webhooks
from polling_api.domain.job import Job
from polling_api.hub import Alarm, Hub
from polling_api.monitor import BatchMonitor
from polling_api.monitor.alarm import needs_a_look
from polling_api.monitor.retention import Retention
from polling_api.providers.openai import OpenAIBatches
from polling_api.providers.protocol import Unanswered
from polling_api.settings import Settings
from polling_api.store.shares import Kind
from polling_api.webhooks.alarm import is_told


async def run_monitor(settings: Settings) -> None:
    """Look after jobs, and tell of them, until cancelled, as soon as the database is there; then give every lease back.

    Raises:
        NotThere: the database was not there in time.
        ValueError: an address is missing, or there is no master key.
    """
    await until_there(settings)
    owner = f"{socket.gethostname()}-{secrets.token_hex(8)}"
    circuits = Circuits()
    pools = monitor_pools(settings, circuits)
    provider = OpenAIBatches(
        settings.upstream_base,
        api_key=_upstream_key(settings),
        name=settings.provider_name,
        timeout=settings.upstream_timeout,
        concurrency=settings.upstream_concurrency,
        circuit=circuits.breaker(
            f"provider {settings.provider_name}", provider_circuit(settings.upstream_timeout), (Unanswered,)
        ),
    )
    keeping = connections.keeping(settings)
    hub, cache = Hub(connections.transport(settings, keeping)), connections.status_cache(settings, keeping, circuits)
    alarm = Alarm(needs_a_look)
    hub.join(alarm)
    hub.heed(alarm.ringing.set)
    hooks = webhooks(settings, pools[Kind.WEBHOOKS], owner)
    hub.join(hooks.bell)

    async def publish(jobs: Sequence[Job], seen_at: float | None = None) -> None:
        if any(map(is_told, jobs)):  # what this process commits itself goes no way over Redis first
            hooks.bell.ringing.set()
        await hub.publish(jobs, seen_at)

    monitor = BatchMonitor(
        pools[Kind.JOBS],
        provider,
        publish,
        owner=owner,
        interval=settings.monitor_interval,
        lease=settings.lease_seconds,
        concurrency=settings.upstream_concurrency,
        results_keep=settings.results_keep,
        submit_within=settings.submit_within,
        wake=alarm.ringing,
        renew=cache.offer,
    )
    retention = Retention(
        pools[Kind.RETENTION],
        hub.publish_gone,
        jobs_keep=settings.jobs_keep,
        audit_keep=settings.audit_keep,
        deliveries_keep=settings.webhook_keep,
        every=settings.retention_every,
    )

    def back() -> None:
        alarm.ringing.set()
        hooks.bell.ringing.set()

    vigil = pools.vigil(gone=_nothing, back=back)
    restarts = Restarts()
    telling = running.start([hub.run, cache.run, vigil.run, tallies.write_often], restarts)
    working = running.start([monitor.run, retention.run, hooks.dispatcher.run, hooks.census.run], restarts)
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.gather(monitor.stop(), hooks.dispatcher.stop())
        await running.end(working)
        await running.flush(hub)
        await running.end(telling)
        await hub.close()
        await cache.close()
        await provider.close()
        await hooks.close()
        await pools.close()


def _nothing() -> None:
    """Jobs are looked at again when the database answers again; there is nothing else to be done without it."""


def _upstream_key(settings: Settings) -> str | None:
    if settings.upstream_api_key is not None:
        return settings.upstream_api_key.get_secret_value()
    return "simulator" if settings.simulated else None
