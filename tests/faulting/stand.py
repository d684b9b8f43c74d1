"""What faults are done to: a service of two workers and a monitor, and all that it stands on behind proxies."""

import asyncio
import os
import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx

from faulting.verdict import Truth, Version
from in_process.carriers import RedisCarrier
from polling_api.embedded import Server
from running.child import Child
from running.service import Service
from running.tcp_proxy import TcpProxy, tcp_proxy

# What nobody follows is forgotten at once, and not looked for in Redis: polls of it are reads of a replica.
COLD = {"warm_jobs": "0", "compare_every": "0.5", "snapshot_idle": "0.1", "cache_deadline": "0.000001"}
LEASE = 3.0  # seconds, so that a dead monitor's jobs are taken over while somebody watches
_HIT = re.compile(r'^polling_replica_lookups_total\{outcome="hit"\} [1-9]', re.MULTILINE)
connect: Any = asyncpg.connect  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


@dataclass(frozen=True, slots=True)
class Stand:
    """A running service, its servers, and the proxies on its ways to them; perhaps a replica that it reads from."""

    service: Service
    postgres: Server
    redis: RedisCarrier
    to_postgres: TcpProxy
    to_redis: TcpProxy
    to_provider: TcpProxy
    client: httpx.AsyncClient
    replica: Server | None

    @property
    def workers(self) -> list[Child]:
        """Those that serve HTTP."""
        return self.service.workers

    @property
    def simulator(self) -> str:
        """Where faults of the provider itself are ordered, and batches counted."""
        return f"{self.service.simulator_url}/simulator"

    async def truth(self, ids: set[str]) -> Truth:
        """What Postgres and the provider hold of some jobs, asked without any proxy."""
        connection = await connect(self.postgres.url)
        rows = await connection.fetch(
            "SELECT job_id, version, status, updated_at FROM transitions WHERE job_id = ANY($1) ORDER BY version",
            list(ids),
        )
        await connection.close()
        told = (await self.client.get(f"{self.simulator}/calls")).json()["batches"]
        versions: dict[str, list[Version]] = {}
        for row in rows:
            made = Version(row["version"], row["status"], row["updated_at"].timestamp())
            versions.setdefault(row["job_id"], []).append(made)
        return Truth(versions, {job_id: count for job_id, count in told.items() if job_id in ids})

    async def reads_from_replica(self) -> bool:
        """Whether every worker has answered with what its replica told."""
        answers = [await self.client.get(f"{worker.url}/metrics") for worker in self.workers]
        return all(_HIT.search(answer.text) is not None for answer in answers)

    async def well(self) -> bool:
        """Whether every worker says that nothing is away."""
        try:
            answers = [await self.client.get(f"{worker.url}/health/ready", timeout=2) for worker in self.workers]
        except httpx.TransportError:
            return False
        return all(answer.status_code == 200 and answer.json()["status"] == "ready" for answer in answers)


@asynccontextmanager
async def standing(
    postgres: Server, redis: RedisCarrier, folder: Path, drain: float, replica: Server | None = None
) -> AsyncGenerator[Stand]:
    """Start it all; the settings are those of production where a fault is found by them."""
    settings = {
        **({} if replica is None else {"replica_urls": replica.url, **COLD}),
        "lease_seconds": str(LEASE),
        "heartbeat_timeout": "1",
        "replica_timeout": "0.25",
        "upstream_timeout": "5",
        "drain_seconds": str(drain),
        "log_level": "info",
    }
    async with AsyncExitStack() as stack:
        sockets = parse_qs(urlsplit(postgres.url).query)["host"][0]
        to_postgres = await stack.enter_async_context(tcp_proxy(path=Path(sockets) / ".s.PGSQL.5432"))
        to_redis = await stack.enter_async_context(tcp_proxy(path=Path(urlsplit(redis.server.url).path)))
        to_provider = await stack.enter_async_context(tcp_proxy())
        service = await Service.start(
            f"postgresql://postgres@127.0.0.1:{to_postgres.port}/postgres",
            f"redis://127.0.0.1:{to_redis.port}",
            folder=folder,
            workers=2,
            settings={**settings, "upstream_url": f"http://127.0.0.1:{to_provider.port}/v1"},
        )
        stack.push_async_callback(service.stop)
        to_provider.leads_to(port=service.simulator.port or 0)
        limits = httpx.Limits(max_connections=None)
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=10, trust_env=False, limits=limits))
        yield Stand(service, postgres, redis, to_postgres, to_redis, to_provider, client, replica)


async def second_monitor(stand: Stand, name: str) -> Child:
    """Start one more monitor, whose clock is an hour ahead."""
    first = stand.service.monitors[0]
    ahead = Path(__file__).with_name("skewed")
    path = os.pathsep.join(filter(None, [str(ahead), first.environment.get("PYTHONPATH", "")]))
    child = Child(name, "monitor", {**first.environment, "PYTHONPATH": path}, first.log.with_name(f"{name}.log"))
    await child.start()
    return child


async def hold_all_connections(postgres: Server, most: int) -> list[Any]:
    """Open what connections are left of a server, and return them."""
    held: list[Any] = []
    for _ in range(most):
        try:
            held.append(await connect(postgres.url))
        except asyncpg.TooManyConnectionsError:
            break
    return held


async def let_go(held: list[Any]) -> None:
    """Close connections."""
    await asyncio.gather(*(connection.close() for connection in held))
