"""Webhooks a second of one dispatcher on loopback, from the commit to the receiver, and beside one that hangs."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
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
RECEIVERS = 10  # of which one hangs
# So many deliveries that are due now for each endpoint, each of a job of its own, like one that it was sent.
MANY = """
INSERT INTO webhook_deliveries (id, endpoint_id, target, client_id, lane, job_id, version, event, terminal, job,
                                created_at, status, due_at, tries, attempts)
SELECT 'whd_' || md5(endpoint_id || :run || n), endpoint_id, target, client_id, lane, 'job_' || md5(:run || n), version,
       event, terminal, job, created_at, 'pending', now(), 0, 0
FROM generate_series(1, :count) AS n,
     (SELECT DISTINCT ON (endpoint_id) * FROM webhook_deliveries WHERE status = 'delivered') AS one
WHERE endpoint_id = ANY(:endpoints)
"""


class Rate(NamedTuple):
    """Deliveries a second, and the processor time that the dispatcher's process takes for each, in milliseconds."""

    per_second: float
    cpu: float


class Beside(NamedTuple):
    """Seconds until nine receivers have all of theirs, by how the tenth is."""

    well: float
    hanging: float


class Receiver:
    """Takes every message, and notes when it came and how old what it tells is; as long as it `may_answer`, it does."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()
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
                await self.may_answer.wait()
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


def main(
    deliveries: int = typer.Option(5000, min=100),
    jobs: int = typer.Option(100, min=10),
    each: int = typer.Option(1000, min=10, help="For each of ten receivers, of which one hangs."),
) -> None:
    """Measure on a service that the program starts itself; the machine should be idle."""
    rate, delays, beside = uvloop.run(_measure(deliveries, jobs, each))
    typer.echo(
        f"one dispatcher, {deliveries} deliveries that are due: {rate.per_second:,.0f} a second, "
        f"{rate.cpu:.2f} ms of a core each"
    )
    typer.echo(f"commit to receiver, {len(delays)} ends: p50 {_at(delays, 50):.1f} ms, p99 {_at(delays, 99):.1f} ms")
    typer.echo(
        f"{RECEIVERS * each} deliveries that are due at {RECEIVERS} receivers: nine have theirs after "
        f"{beside.well:.1f} s where the tenth is well, after {beside.hanging:.1f} s where it hangs"
    )


async def _measure(deliveries: int, jobs: int, each: int) -> tuple[Rate, list[float], Beside]:
    receivers = [Receiver() for _ in range(RECEIVERS)]
    async with AsyncExitStack() as stack:
        hooks = [await _listening(stack, receiver) for receiver in receivers]
        stand = await stack.enter_async_context(running_service(SETTINGS))
        client = await new_client(stand.database_url)
        asking = await stack.enter_async_context(
            httpx.AsyncClient(base_url=stand.url, auth=Signing(client), trust_env=False)
        )
        endpoints = [await _endpoint(asking, hooks[0])]
        await _submit(asking, jobs)
        await receivers[0].until(jobs)
        delays = list(receivers[0].delays)
        rate = await _rate(stand, receivers[0], endpoints, deliveries)
        endpoints += [await _endpoint(asking, hook) for hook in hooks[1:]]
        await _submit(asking, 1)
        await asyncio.gather(*(receiver.until(1) for receiver in receivers[1:]))
        well = await _until_nine_have(stand, receivers, endpoints, each, "well")
        receivers[-1].may_answer.clear()
        hanging = await _until_nine_have(stand, receivers, endpoints, each, "hanging")
        receivers[-1].may_answer.set()
        return rate, delays, Beside(well, hanging)


async def _listening(stack: AsyncExitStack, receiver: Receiver) -> str:
    server = await stack.enter_async_context(await asyncio.start_server(receiver.take, "127.0.0.1", 0))
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def _endpoint(asking: httpx.AsyncClient, hook: str) -> str:
    answer = await asking.post("/api/v1/webhook-endpoints", json={"url": hook})
    return answer.raise_for_status().json()["id"]


async def _submit(asking: httpx.AsyncClient, jobs: int) -> None:
    for _ in range(jobs):
        (await asking.post("/api/v1/batch-status", json=JOB)).raise_for_status()
        await asyncio.sleep(APART)


async def _make_due(stand: Stand, endpoints: Sequence[str], count: int, run: str) -> None:
    engine = create_async_engine(driver_url(stand.database_url), poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(text(MANY), {"count": count, "endpoints": list(endpoints), "run": run})


async def _rate(stand: Stand, receiver: Receiver, endpoints: Sequence[str], deliveries: int) -> Rate:
    monitor = next(one for one in psutil.process_iter() if _is_monitor(one, stand))
    before, used = len(receiver.came), sum(monitor.cpu_times()[:2])
    await _make_due(stand, endpoints, deliveries, "rate")
    await receiver.until(before + deliveries)
    came = receiver.came[before:]
    used = sum(monitor.cpu_times()[:2]) - used
    return Rate(deliveries / (came[-1] - came[0]), used / deliveries * 1e3)


async def _until_nine_have(
    stand: Stand, receivers: Sequence[Receiver], endpoints: Sequence[str], each: int, run: str
) -> float:
    nine = receivers[:-1]
    await asyncio.sleep(1)  # what went before is marked
    began, before = time.monotonic(), [len(receiver.came) for receiver in nine]
    await _make_due(stand, endpoints, each, run)
    await asyncio.gather(*(receiver.until(had + each) for receiver, had in zip(nine, before, strict=True)))
    return time.monotonic() - began


def _is_monitor(process: psutil.Process, stand: Stand) -> bool:
    supervisor = stand.worker.parent()
    return supervisor is not None and process.ppid() == supervisor.pid and "monitor" in process.cmdline()


def _at(seconds: Sequence[float], percent: int) -> float:
    return quantiles(seconds, n=100)[percent - 1] * 1e3


if __name__ == "__main__":
    typer.run(main)
