"""A monitor in a process of its own, which gets a signal from itself at a named point.

    python monitor_process.py DATABASE_URL SIMULATOR_URL LEASE POINT NTH SIGNAL

At the NTH time (from 1) that it passes POINT, it sends itself SIGNAL: KILL ends it as a power cut would, STOP pauses
it until somebody sends CONT. SIGTERM ends it in good order.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from uuid import uuid4

from polling_api.domain.job import Job
from polling_api.monitor import BatchMonitor
from polling_api.providers.openai import OpenAIBatches
from polling_api.store.engine import connect


async def publish(_jobs: Sequence[Job]) -> None:
    """Nobody listens here: what counts is what the database and the provider hold in the end."""


async def main(database_url: str, simulator_url: str, lease: str, point: str, nth: str, signal_name: str) -> None:
    engine = connect(
        database_url,
        pool_size=4,
        max_overflow=4,
        pool_timeout=5,
        statement_timeout=5,
        application_name="monitor",
    )
    provider = OpenAIBatches(simulator_url, api_key=None, name="simulator", timeout=5, concurrency=4)
    left = int(nth)

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
        lease=float(lease),
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


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
