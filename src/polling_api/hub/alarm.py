"""What wakes somebody who looks by a clock of its own, before that does."""

import asyncio
from collections.abc import Callable

from polling_api.hub.notice import Notice


class Alarm:
    """A listener of the hub that rings for some notices, and whenever one may have been missed.

    It may ring for nothing, or not at all: whoever waits for it looks by its own clock all the same.

    Args:
        rings_for: whether a notice tells of something to be looked at.
    """

    def __init__(self, rings_for: Callable[[Notice], bool]) -> None:
        self.ringing = asyncio.Event()
        self._rings_for = rings_for

    def notice(self, notice: Notice) -> None:
        """Ring, if it is for this."""
        if self._rings_for(notice):
            self.ringing.set()

    def gap(self) -> None:
        """Ring, since a notice may have been missed."""
        self.ringing.set()
