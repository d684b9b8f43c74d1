"""A service on embedded servers in a folder of its own, gone with the program."""

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from polling_api.embedded import start_postgres, start_redis
from polling_api.server import raise_descriptor_limit
from polling_api.store import migrate
from stand.cores import give_a_core, leave_that_core

READY_WITHIN = 120.0  # seconds; some five on an idle machine
ENDED_WITHIN = 20.0  # seconds

MASTER_KEY = "made-up-for-benchmarks-alone"
NO_LIMITS = {
    f"limit_{name}": "0"
    for name in ("ip_hour", "client_hour", "job_minute", "burst", "held_ip", "held_client", "anonymous_jobs")
}
_BENCHMARKS = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Stand:
    """Where the service is.

    `worker` is the one process that serves HTTP, `servers` are Postgres and Redis; `settings` are what more processes
    of the service are told, but for their port, and `log` is where they may write.
    """

    url: str
    database_url: str
    redis_url: str
    worker: psutil.Process
    servers: Sequence[psutil.Process]
    settings: Mapping[str, str]
    log: Path

    def give_a_core(self, *anchors: psutil.Process) -> None:
        """Leave one core to the worker and to what it is measured against; all else, and this program, has the rest."""
        supervisor = self.worker.parent()
        leave_that_core(*self.servers, *([supervisor] if supervisor else []))
        give_a_core(self.worker, *anchors)


@asynccontextmanager
async def running_service(settings: Mapping[str, str], *, monitor: bool = True) -> AsyncGenerator[Stand]:
    """One worker, a monitor and the simulator, as `polling-api serve` starts them: with metrics, and a log in a file.

    Args:
        settings: by name, without the prefix.
        monitor: whether there is a monitor; without one nobody moves jobs but the program.
    """
    raise_descriptor_limit()  # ours, and of what is started here: each of a crowd has a socket, at both ends
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
        "log_format": "json",
        "heartbeat_timeout": "4",  # a busy machine is not a Postgres that is away
        "drain_seconds": "0",
        **NO_LIMITS,
        **settings,
    }
    try:
        await asyncio.to_thread(migrate.upgrade, postgres.url)
        arguments = ["-m", "polling_api", "serve", *([] if monitor else ["--no-monitor"])]
        log = folder / "log"
        async with program(arguments, values, output=log) as process:
            url = f"http://127.0.0.1:{port}"
            await until_ready(f"{url}/health/ready")
            servers = [psutil.Process(server.pid) for server in (postgres, redis)]
            yield Stand(url, postgres.url, redis.url, _listening(process.pid, port), servers, values, log)
    finally:
        redis.stop()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def program(
    arguments: Sequence[str], settings: Mapping[str, str] | None = None, *, output: Path | None = None
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A Python program for as long as the block runs; modules beside this package are found.

    Args:
        arguments: after the interpreter's name.
        settings: of the service, by name, without the prefix.
        output: the file that it writes to; None for where we write.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("POLLING_")}
    environment = (
        inherited
        | {"POLLING_MASTER_KEYS": MASTER_KEY, "PYTHONPATH": os.pathsep.join([str(_BENCHMARKS), *_path()])}
        | {f"POLLING_{name.upper()}": value for name, value in (settings or {}).items()}
    )
    async with running_process([sys.executable, *arguments], environment, output=output) as process:
        yield process


@asynccontextmanager
async def running_process(
    command: Sequence[str], environment: Mapping[str, str] | None = None, *, output: Path | None = None
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Any program for as long as the block runs; see `program`."""
    with nullcontext() if output is None else output.open("ab") as told:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, start_new_session=True, stdout=told, stderr=told
        )
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


def _path() -> Sequence[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


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
