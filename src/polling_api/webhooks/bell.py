"""What wakes a dispatcher before its own clock does."""

import asyncio

from polling_api.hub import Notice


class Bell:
    """A listener of the hub that rings for every version: most that are told of are told by such a notice first.

    It may ring for nothing, or be missed: the dispatcher looks by its own clock all the same.
    """

    def __init__(self) -> None:
        self.ringing = asyncio.Event()

    def notice(self, notice: Notice) -> None:
        """Ring for a version that was written; what is told of a job's end does not wait for its being deleted."""
        if not notice.tells_deletion:
            self.ringing.set()

    def gap(self) -> None:
        """Ring, since a notice may have been missed."""
        self.ringing.set()
