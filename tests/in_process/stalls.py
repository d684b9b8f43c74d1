"""How busy the machine is: by how much this process's event loop was late, for promises that hold where it is not."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

LOOK_EVERY = 0.01  # seconds


class Stalls:
    """The longest time for which the loop stood still.

    Attributes:
        longest: seconds; some hundredths where the machine has nothing else to do.
    """

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            began = time.monotonic()
            await asyncio.sleep(LOOK_EVERY)
            self.longest = max(self.longest, time.monotonic() - began - LOOK_EVERY)


@asynccontextmanager
async def watched_stalls() -> AsyncGenerator[Stalls]:
    """Watch for as long as the block runs."""
    stalls = Stalls()
    watching = asyncio.create_task(stalls.watch())
    try:
        yield stalls
    finally:
        watching.cancel()
