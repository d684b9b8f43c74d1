"""Has the primary's heart go on, and takes note of its beats."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from polling_api.errors import Unavailable
from polling_api.replicas.beats import Beats
from polling_api.store.beats import Beat


class Pulse:
    """Asks the primary for its beat, again and again.

    Args:
        beat: learns the present one, or makes it.
        beats: told of each.
        every: seconds between two.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        beat: Callable[[], Awaitable[Beat | None]],
        beats: Beats,
        *,
        every: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._beat = beat
        self._beats = beats
        self._every = every
        self._clock = clock

    async def run(self) -> None:
        """Go on until cancelled. While the primary does not answer there are no beats, which others tell of."""
        while True:
            began = self._clock()
            await self.take()
            await asyncio.sleep(began + self._every - self._clock())

    async def take(self) -> None:
        """Learn one beat, if there is one to be had."""
        asked_at = self._clock()
        try:
            present = await self._beat()
        except Unavailable:
            return
        if present is not None:
            self._beats.note(present.name, asked_at - present.age)
