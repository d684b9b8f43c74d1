"""How many webhooks a second one dispatcher sends on loopback, and how long after the commit a receiver has one."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from statistics import quantiles
from typing import Any, NamedTuple

import httpx
import orjson
import psutil
import typer
import uvloop
from sqlalchemy import NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine
from stand.clients import Signing, new_client
from stand.service import Stand, running_service

from polling_api.store.engine import driver_url

JOB: dict[str, Any] = {
    "requests": [{"custom_id": "one", "body": {}}],
    "metadata": {"simulator": "in_progress 0.1s, succeeded"},
}
APART = 0.1  # seconds between two jobs: the machine is idle in between
WITHIN = 120.0  # seconds for all of a measurement
SETTINGS = {
    "monitor_interval": "0.1",
    "nonce_timeout": "1",
    "webhook_allow_private": "true",
    "webhook_destination_concurrency": "64",  # a lane has half of it
    "webhook_destination_rate": "100000",
    "webhook_owner_rate": "100000",
}
# So many deliveries that are due now, each of a job of its own, like the one that there is.
MANY = """
INSERT INTO webhook_deliveries (id, endpoint_id, target, client_id, lane, job_id, version, event, terminal, job,
                                created_at, status, due_at, tries, attempts)
SELECT 'whd_' || md5(n::text), endpoint_id, target, client_id, lane, 'job_' || md5(n::text), version, event, terminal,
       job, created_at, 'pending', now(), 0, 0
FROM generate_series(1, :count) AS n, (SELECT * FROM webhook_deliveries LIMIT 1) AS one
"""


class Rate(NamedTuple):
    """Deliveries a second, and the processor time that the dispatcher's process takes for each, in milliseconds."""

    per_second: float
    cpu: float


class Receiver:
    """Takes every message, and notes when it came and how old what it tells is."""

    def __init__(self) -> None:
        self.came: list[float] = []
        self.delays: list[float] = []
        self._news = asyncio.Event()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the messages of one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                body = await reader.readexactly(length)
                now = time.time()
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                self.came.append(now)
                self.delays.append(now - datetime.fromisoformat(orjson.loads(body)["timestamp"]).timestamp())
                self._news.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def until(self, count: int) -> None:
        """Wait for so many messages in all."""
        async with asyncio.timeout(WITHIN):
            while len(self.came) < count:
                self._news.clear()
                await self._news.wait()


def main(deliveries: int = typer.Option(5000, min=100), jobs: int = typer.Option(100, min=10)) -> None:
    """Measure on a service that the program starts itself; the machine should be idle."""
    rate, delays = uvloop.run(_measure(deliveries, jobs))
    typer.echo(
        f"one dispatcher, {deliveries} deliveries that are due: {rate.per_second:,.0f} a second, "
        f"{rate.cpu:.2f} ms of a core each"
    )
    typer.echo(f"commit to receiver, {len(delays)} ends: p50 {_at(delays, 50):.1f} ms, p99 {_at(delays, 99):.1f} ms")


async def _measure(deliveries: int, jobs: int) -> tuple[Rate, list[float]]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.take, "127.0.0.1", 0)
    hook = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, running_service(SETTINGS) as stand:
        client = await new_client(stand.database_url)
        async with httpx.AsyncClient(base_url=stand.url, auth=Signing(client), trust_env=False) as asking:
            (await asking.post("/api/v1/webhook-endpoints", json={"url": hook})).raise_for_status()
            for _ in range(jobs):
                (await asking.post("/api/v1/batch-status", json=JOB)).raise_for_status()
                await asyncio.sleep(APART)
        await receiver.until(jobs)
        delays = list(receiver.delays)
        return await _rate(stand, receiver, deliveries), delays


async def _rate(stand: Stand, receiver: Receiver, deliveries: int) -> Rate:
    monitor = next(one for one in psutil.process_iter() if _is_monitor(one, stand))
    before, used = len(receiver.came), sum(monitor.cpu_times()[:2])
    engine = create_async_engine(driver_url(stand.database_url), poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(text(MANY), {"count": deliveries})
    await receiver.until(before + deliveries)
    came = receiver.came[before:]
    used = sum(monitor.cpu_times()[:2]) - used
    return Rate(deliveries / (came[-1] - came[0]), used / deliveries * 1e3)


def _is_monitor(process: psutil.Process, stand: Stand) -> bool:
    supervisor = stand.worker.parent()
    return supervisor is not None and process.ppid() == supervisor.pid and "monitor" in process.cmdline()


def _at(seconds: Sequence[float], percent: int) -> float:
    return quantiles(seconds, n=100)[percent - 1] * 1e3


if __name__ == "__main__":
    typer.run(main)
