"""The whole service for tests: workers, a monitor and the upstream simulator, in processes of their own."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

import httpx

from polling_api.metrics import SHARED_FOLDER
from polling_api.webhooks.places import UPSTREAM
from running.child import Child
from running.planted import MASTER_KEY, UPSTREAM_KEY
from running.witness import write_down

READY_WITHIN = 45.0  # seconds; on a busy machine an interpreter alone takes some
ASK_EVERY = 0.05  # seconds between two looks whether a process is ready

# Everything as in production, but faster, and patient with the machine; each can be set otherwise.
FASTER: Final[Mapping[str, str]] = {
    "monitor_interval": "0.2",
    "drain_seconds": "1",
    "log_format": "json",
    "log_level": "debug",
    "provider": "simulator",
    "pool_size": "8",
    "pool_overflow": "16",
    "master_keys": MASTER_KEY,
    "heartbeat_timeout": "4",  # a busy machine is not a Postgres that is away
    "webhook_allow_private": "true",  # receivers are on loopback
    "replica_timeout": "2",  # a busy machine is not a replica that is away
    "nonce_timeout": "2",  # a busy machine is not a Redis that is away
    # A test asks as often as it likes, whatever others ask from the same address; those of limits set their own.
    **dict.fromkeys(
        ("limit_ip_hour", "limit_client_hour", "limit_token_hour", "limit_job_minute", "limit_burst", "block_after"),
        "0",
    ),
    **dict.fromkeys(
        ("limit_held_ip", "limit_held_client", "limit_held_token", "limit_held_process", "limit_anonymous_jobs"), "0"
    ),
}
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Service:
    """A running service. Everything listens on free loopback ports; logs are in `folder`.

    Args:
        workers: those that serve HTTP, one address each.
        monitors: those that look after jobs.
        simulator: the upstream.
        folder: where their logs are.
    """

    def __init__(self, workers: Sequence[Child], monitors: Sequence[Child], simulator: Child, folder: Path) -> None:
        self.workers = list(workers)
        self.monitors = list(monitors)
        self.simulator = simulator
        self._folder = folder

    @classmethod
    async def start(
        cls,
        database_url: str,
        redis_url: str,
        *,
        folder: Path,
        workers: int = 1,
        monitor: bool = True,
        settings: Mapping[str, str] = NOTHING,
        shared_figures: bool = False,
    ) -> "Service":
        """Start a service over a migrated database, and wait until every worker is ready.

        Args:
            database_url: of the primary.
            redis_url: of Redis.
            folder: for logs and the simulator's data; made if it is not there.
            workers: how many processes serve HTTP.
            monitor: whether a monitor runs.
            settings: by name, as in `Settings`: `{"keepalive_every": "0.1"}`.
            shared_figures: whether `/metrics` of any worker tells the sum over all processes, the monitor's too, as
                under the supervisor; otherwise each worker tells its own.

        Raises:
            AssertionError: a process ended or was not ready within 45 s; with the end of its log.
        """
        addresses = {"database_url": database_url, "redis_url": redis_url, "data_dir": str(folder)}
        environment = _inherited(folder / "figures" if shared_figures else None)
        settings = {**FASTER, **addresses, **settings}
        service = cls._assembled(folder, environment, workers, monitors=int(monitor), settings=settings)
        try:
            for child in service.children:
                await child.start()
            await service.ready()
        except BaseException:
            await service.stop()
            raise
        return service

    @classmethod
    def _assembled(
        cls, folder: Path, inherited: Mapping[str, str], workers: int, *, monitors: int, settings: Mapping[str, str]
    ) -> "Service":
        folder.mkdir(parents=True, exist_ok=True)
        alone = {**inherited, **_named(settings)}
        simulator = Child("simulator", "simulator", alone, folder / "simulator.log", port=0)
        simulator.bind()  # the others are told its address
        upstream = {"upstream_url": f"{simulator.url}/v1", "upstream_api_key": UPSTREAM_KEY}
        environment = {**inherited, **_named({**upstream, **settings})}

        def child(name: str, command: str, port: int | None) -> Child:
            return Child(name, command, environment, folder / f"{name}.log", port)

        service = cls(
            [child(f"worker-{number}", "worker", 0) for number in range(1, workers + 1)],
            [child("monitor", "monitor", None) for _ in range(monitors)],
            simulator,
            folder,
        )
        if "upstream_webhook_secret" in settings:  # then the simulator sends events, and has to know where to
            service.workers[0].bind()
            simulator.environment["POLLING_SIMULATOR_PUSH_URL"] = f"{service.url}{UPSTREAM}"
        return service

    @property
    def children(self) -> Sequence[Child]:
        """All processes; those that others need come first."""
        return [self.simulator, *self.workers, *self.monitors]

    @property
    def url(self) -> str:
        """The address of the first worker."""
        return self.workers[0].url

    @property
    def worker_urls(self) -> Sequence[str]:
        """The addresses of all workers."""
        return [worker.url for worker in self.workers]

    @property
    def simulator_url(self) -> str:
        """The simulator's address; its wire is at `/v1` below it, its controls at `/simulator`."""
        return self.simulator.url

    @property
    def pids(self) -> Mapping[str, int]:
        """The process ids of all that run, by name: `simulator`, `worker-1`, …, `monitor`."""
        return {child.name: child.pid for child in self.children if child.running}

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to every process but the simulator, which is the provider and not ours to lose."""
        for child in [*self.workers, *self.monitors]:
            child.kill(number)

    async def ready(self) -> None:
        """Wait until the simulator and every worker that runs answer.

        Raises:
            AssertionError: one ended or was not ready within 45 s; with the end of its log.
        """
        listening = [(worker, f"{worker.url}/health/ready") for worker in self.workers if worker.running]
        listening.append((self.simulator, f"{self.simulator.url}/simulator/calls"))
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            for child, address in listening:
                await _until_ready(child, address, client)

    async def stop(self) -> None:
        """End every process, in good order where it still can, and keep what it showed to be searched for secrets."""
        database_url = self.workers[0].environment["POLLING_DATABASE_URL"]
        await write_down(self.children, database_url, self._folder)
        await asyncio.gather(*(child.stop() for child in [*self.workers, *self.monitors]))
        await self.simulator.stop()


@asynccontextmanager
async def running_service(
    database_url: str,
    redis_url: str,
    *,
    folder: Path,
    workers: int = 1,
    monitor: bool = True,
    settings: Mapping[str, str] = NOTHING,
    shared_figures: bool = False,
) -> AsyncGenerator[Service]:
    """A service for as long as the block runs; see `Service.start`."""
    service = await Service.start(
        database_url,
        redis_url,
        folder=folder,
        workers=workers,
        monitor=monitor,
        settings=settings,
        shared_figures=shared_figures,
    )
    try:
        yield service
    finally:
        await service.stop()


def _inherited(figures: Path | None) -> dict[str, str]:
    """Our environment without the service's settings, so that a test does not depend on who runs it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("POLLING_")}
    if figures is None:
        return inherited
    figures.mkdir(parents=True, exist_ok=True)
    return inherited | {SHARED_FOLDER: str(figures)}


def _named(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings as variables of the environment."""
    return {f"POLLING_{name.upper()}": value for name, value in settings.items()}


async def _until_ready(child: Child, address: str, client: httpx.AsyncClient) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READY_WITHIN
    told = "no answer"
    while loop.time() < deadline and child.running:
        try:
            answer = await client.get(address)
        except httpx.TransportError as error:
            told = repr(error)
        else:
            if answer.status_code == 200:
                return
            told = answer.text
        await asyncio.sleep(ASK_EVERY)
    state = "is not ready" if child.running else "has ended"
    raise AssertionError(f"{child.name} {state}: {told}\n{child.tail()}")
