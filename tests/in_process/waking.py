"""What wakes those who sleep, gone wrong."""

import asyncio
from typing import Literal


class CancelledWake(asyncio.Event):
    """Cancels whoever sleeps until it is set, as a mistake within that may do."""

    async def wait(self) -> Literal[True]:
        waited_for: asyncio.Future[Literal[True]] = asyncio.get_running_loop().create_future()
        waited_for.cancel()
        return await waited_for
