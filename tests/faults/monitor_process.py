"""A monitor in a process of its own, which gets a signal from itself at a named point."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Sequence
from uuid import uuid4

import psutil

from polling_api.domain.job import Job
from polling_api.monitor import BatchMonitor
from polling_api.providers.openai import OpenAIBatches
from polling_api.store.engine import connect

# All are forked from one process that has imported what takes a second to import: there are forty of them.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["polling_api.monitor", "polling_api.providers.openai", "asyncpg"])


class MonitorProcess:
    """A monitor that runs.

    Args:
        database_url: where its jobs are.
        simulator_url: its provider.
        lease: seconds.
        point: where it sends itself a signal.
        nth: at which time, from 1, that it passes there.
        signal_name: KILL ends it as a power cut would, STOP pauses it until somebody sends CONT.
    """

    def __init__(
        self, database_url: str, simulator_url: str, lease: float, point: str, nth: int, signal_name: str
    ) -> None:
        arguments = (database_url, simulator_url, lease, point, nth, signal_name)
        self._process = _FORKS.Process(target=run, args=arguments, daemon=True)
        self._process.start()

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal; SIGTERM ends it in good order."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.is_alive()

    @property
    def paused(self) -> bool:
        """Whether the operating system says that it is stopped."""
        return psutil.Process(self._process.pid).status() == psutil.STATUS_STOPPED

    async def ended(self, within: float) -> int:
        """Wait for its end, and return its exit status (negative: the signal that ended it).

        Raises:
            TimeoutError: it still runs.
        """
        await asyncio.to_thread(self._process.join, within)
        if self._process.exitcode is None:
            raise TimeoutError
        return self._process.exitcode


def run(database_url: str, simulator_url: str, lease: float, point: str, nth: int, signal_name: str) -> None:
    """Look after jobs until SIGTERM; see `MonitorProcess`."""
    asyncio.run(_run(database_url, simulator_url, lease, point, nth, signal_name))


async def publish(_jobs: Sequence[Job], _seen_at: float) -> None:
    """Nobody listens here: what counts is what the database and the provider hold in the end."""


async def _run(database_url: str, simulator_url: str, lease: float, point: str, nth: int, signal_name: str) -> None:
    engine = connect(
        database_url,
        pool_size=4,
        max_overflow=4,
        pool_timeout=5,
        statement_timeout=5,
        application_name="monitor",
    )
    provider = OpenAIBatches(simulator_url, api_key=None, name="simulator", timeout=5, concurrency=4)
    left = nth

    async def at(passed: str) -> None:
        nonlocal left
        if passed == point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.Signals[f"SIG{signal_name}"])

    monitor = BatchMonitor(
        engine,
        provider,
        publish,
        owner=uuid4().hex,
        interval=0.1,
        lease=lease,
        concurrency=4,
        results_keep=3600,
        submit_within=3600,
        wake=asyncio.Event(),
        at=at,
    )
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    running = asyncio.create_task(monitor.run())
    await ending.wait()
    await monitor.stop()
    await running
    await provider.close()
    await engine.dispose()
