"""What wakes a monitor before its own clock does."""

import asyncio

from polling_api.domain.job import Status
from polling_api.hub import Notice


class Alarm:
    """A listener of the hub that rings for every new job and every cancel, so that none waits for the next sweep.

    It may ring for nothing, or be missed: the monitor looks by its own clock all the same.
    """

    def __init__(self) -> None:
        self.ringing = asyncio.Event()

    def notice(self, notice: Notice) -> None:
        """Ring for a first version, and for one that a caller's cancel may have made; monitors make all others."""
        if notice.version == 1 or _tells_a_cancel(notice):
            self.ringing.set()

    def gap(self) -> None:
        """Ring, since a new job's notice may have been missed."""
        self.ringing.set()


def _tells_a_cancel(notice: Notice) -> bool:
    try:
        return notice.job().status is Status.CANCELLING
    except (ValueError, KeyError, TypeError):  # of a deleted job, or of another release of this service
        return False
