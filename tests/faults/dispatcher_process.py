"""A dispatcher of webhooks in a process of its own, which kills itself at a named point."""

import asyncio
import multiprocessing
import os
import signal
import time
from uuid import uuid4

from polling_api.store.engine import connect
from polling_api.webhooks.dispatcher import Dispatcher
from polling_api.webhooks.outbound import GuardedClient
from polling_api.webhooks.sender import Sender
from polling_api.webhooks.turns import Bounds, Turns
from running.keyholders import VAULT

# All are forked from one process that has imported what takes a second to import.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["polling_api.webhooks.dispatcher", "polling_api.webhooks.outbound", "asyncpg"])

WITHIN = 1.0  # seconds for an attempt: receivers of these tests answer at once
BOUNDS = Bounds(whole=64, destination=32, owner=64, destination_rate=10_000, owner_rate=10_000)


class DispatcherProcess:
    """A dispatcher that runs.

    Args:
        database_url: where the deliveries are.
        lease: seconds.
        point: where it kills itself with SIGKILL, as a power cut would.
        nth: at which time, from 1, that it passes there.
    """

    def __init__(self, database_url: str, lease: float, point: str = "none", nth: int = 1) -> None:
        self._process = _FORKS.Process(target=run, args=(database_url, lease, point, nth), daemon=True)
        self._process.start()

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal; SIGTERM ends it in good order."""
        if self._process.pid is not None and self._process.is_alive():
            os.kill(self._process.pid, number)

    async def ended(self, within: float) -> int:
        """Wait for its end, and return its exit status (negative: the signal that ended it).

        Raises:
            TimeoutError: it still runs.
        """
        await asyncio.to_thread(self._process.join, within)
        if self._process.exitcode is None:
            raise TimeoutError
        return self._process.exitcode


def run(database_url: str, lease: float, point: str, nth: int) -> None:
    """Send until SIGTERM; see `DispatcherProcess`."""
    asyncio.run(_run(database_url, lease, point, nth))


async def _run(database_url: str, lease: float, point: str, nth: int) -> None:
    engine = connect(
        database_url,
        pool_size=4,
        max_overflow=4,
        pool_timeout=5,
        statement_timeout=5,
        application_name="dispatcher",
    )
    client = GuardedClient(allow_private=True, ports=None)
    left = nth

    async def at(passed: str) -> None:
        nonlocal left
        if passed == point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    dispatcher = Dispatcher(
        engine,
        Sender(client, VAULT.open, within=WITHIN),
        Turns(BOUNDS, time.monotonic),
        owner=uuid4().hex,
        within=WITHIN,
        schedule=(0.1,) * 10,
        wake=asyncio.Event(),
        longest_rest=0.1,
        lease=lease,
        at=at,
    )
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    running = asyncio.create_task(dispatcher.run())
    await ending.wait()
    await dispatcher.stop()
    await running
    await client.close()
    await engine.dispose()
