"""What wakes a monitor before its own clock does."""

import asyncio

from polling_api.hub import Notice


class NewJobAlarm:
    """A listener of the hub that rings for every new job, so that none waits for the next sweep.

    It may ring for nothing, or be missed: the monitor looks by its own clock all the same.
    """

    def __init__(self) -> None:
        self.ringing = asyncio.Event()

    def notice(self, notice: Notice) -> None:
        """Ring for a first version; all others were made by monitors."""
        if notice.version == 1:
            self.ringing.set()

    def gap(self) -> None:
        """Ring, since a new job's notice may have been missed."""
        self.ringing.set()
