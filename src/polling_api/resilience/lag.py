"""How late the event loop is: a timer that is told so at each of its ticks."""

import asyncio
from collections import deque

from polling_api import metrics

TICK = 0.1  # seconds
TICKS = 3  # in a row that are late: one may be a collection of garbage, or a machine that was busy elsewhere


class LoopLag:
    """Measures the loop that `run` runs on.

    Attributes:
        standing: seconds by which the last three ticks were late at least. What only bursts leave behind is worked off
            by the next tick; what stands is more than can be done (K. Nichols, V. Jacobson, "Controlling Queue Delay",
            2012).
    """

    def __init__(self) -> None:
        self.standing = 0.0
        self._late = deque([0.0] * TICKS, maxlen=TICKS)

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK
            await asyncio.sleep(TICK)
            self.tick(loop.time() - due)

    def tick(self, late: float) -> None:
        """Note that a tick was so many seconds late."""
        metrics.LOOP_LAG.observe(max(0.0, late))
        self._late.append(late)
        self.standing = max(0.0, min(self._late))
