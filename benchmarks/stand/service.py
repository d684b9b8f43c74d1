"""A service on embedded servers in a folder of its own, gone with the program."""

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil

from polling_api.embedded import start_postgres, start_redis
from polling_api.store import migrate

READY_WITHIN = 45.0  # seconds
ENDED_WITHIN = 20.0  # seconds

MASTER_KEY = "made-up-for-benchmarks-alone"
NO_LIMITS = {
    f"limit_{name}": "0"
    for name in ("ip_hour", "client_hour", "job_minute", "burst", "held_ip", "held_client", "anonymous_jobs")
}
_RAW_ASGI = Path(__file__).with_name("raw_asgi.py")


@dataclass(frozen=True, slots=True)
class Stand:
    """Where the service is. `worker` is the one process that serves HTTP, `servers` are Postgres and Redis."""

    url: str
    database_url: str
    redis_url: str
    worker: psutil.Process
    servers: Sequence[psutil.Process]

    def give_a_core(self) -> None:
        """Leave one core to the worker, and have all else, this program too, share the others.

        Raises:
            OSError: this system has no such thing.
        """
        own, *others = sorted(os.sched_getaffinity(0))
        supervisor = self.worker.parent()
        around = [psutil.Process(), *self.servers, *([supervisor] if supervisor else [])]
        for process in around:
            for one in (process, *process.children(recursive=True)):
                os.sched_setaffinity(one.pid, others or [own])
        os.sched_setaffinity(self.worker.pid, [own])


@asynccontextmanager
async def running_service(settings: Mapping[str, str]) -> AsyncGenerator[Stand]:
    """One worker, a monitor and the simulator, as `polling-api serve` starts them.

    Args:
        settings: by name, without the prefix.
    """
    folder = Path(tempfile.mkdtemp(prefix="polling-benchmark-"))
    await asyncio.to_thread(folder.chmod, 0o711)  # Postgres runs as another account where root starts it
    postgres, redis = start_postgres(folder / "postgres", durable=True), start_redis(folder / "redis")
    port = free_port()
    values = {
        "database_url": postgres.url,
        "redis_url": redis.url,
        "data_dir": str(folder / "data"),
        "port": str(port),
        "simulator_port": str(free_port()),
        "log_level": "warning",
        "drain_seconds": "0",
        **NO_LIMITS,
        **settings,
    }
    try:
        await asyncio.to_thread(migrate.upgrade, postgres.url)
        async with program(["-m", "polling_api", "serve"], values) as process:
            url = f"http://127.0.0.1:{port}"
            await until_ready(f"{url}/health/ready")
            servers = [psutil.Process(server.pid) for server in (postgres, redis)]
            yield Stand(url, postgres.url, redis.url, _listening(process.pid, port), servers)
    finally:
        redis.stop()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Raw(NamedTuple):
    """Plain ASGI on the same server: the least that an answer costs."""

    url: str
    process: psutil.Process


@asynccontextmanager
async def raw_asgi() -> AsyncGenerator[Raw]:
    """It, for as long as the block runs."""
    port = free_port()
    async with program([str(_RAW_ASGI), str(port)]) as process:
        url = f"http://127.0.0.1:{port}"
        await until_ready(f"{url}/ready")
        yield Raw(url, psutil.Process(process.pid))


@asynccontextmanager
async def program(
    arguments: Sequence[str], settings: Mapping[str, str] | None = None
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A Python program for as long as the block runs."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("POLLING_")}
    environment = (
        inherited
        | {"POLLING_MASTER_KEYS": MASTER_KEY}
        | {f"POLLING_{name.upper()}": value for name, value in (settings or {}).items()}
    )
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, env=environment, start_new_session=True)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), ENDED_WITHIN)


async def until_ready(address: str) -> None:
    """Return when `address` answers `200`."""
    async with asyncio.timeout(READY_WITHIN), httpx.AsyncClient(timeout=5, trust_env=False) as client:
        while True:
            try:
                if (await client.get(address)).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _listening(supervisor: int, port: int) -> psutil.Process:
    """The worker among the service's processes: the child that listens on the port and was started as one."""
    children = psutil.Process(supervisor).children(recursive=True)
    return next(child for child in children if "worker" in child.cmdline() and _has(child, port))


def _has(process: psutil.Process, port: int) -> bool:
    return any(one.laddr and one.laddr.port == port for one in process.net_connections("tcp"))
