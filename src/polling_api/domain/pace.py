"""When asking again is worth it."""

from datetime import datetime, timedelta
from math import ceil
from typing import NamedTuple

from polling_api.domain.job import Progress, Status

SOONEST, LATEST = 1, 300  # seconds: faster is never worth a poll, slower would hide the end


def poll_after(
    status: Status, progress: Progress, started_at: datetime | None, now: datetime, look_every: float
) -> int:
    """How long until a client's next poll may see something new.

    That is not before the next look upstream, nor, at the item rate so far, before the next whole percent.

    Args:
        status: the job's present status.
        progress: its counts.
        started_at: when the provider began to work.
        now: the database's time.
        look_every: seconds between two looks upstream.

    Returns:
        Whole seconds, from 1 to 300.
    """
    seconds = look_every
    if status is Status.IN_PROGRESS and started_at and progress.done:
        elapsed = (now - started_at) / timedelta(seconds=1)
        seconds = max(seconds, elapsed / progress.done * progress.total / 100)
    return min(max(ceil(seconds), SOONEST), LATEST)


class Strain(NamedTuple):
    """What is known of a job whose provider does not answer.

    Attributes:
        observed_at: when the provider last confirmed the state; None if it never did.
        next_look: seconds until it is asked again, as they were when this was read; it is asked less and less often.
    """

    observed_at: datetime | None
    next_look: float

    def poll_after(self, otherwise: int) -> int:
        """How long until a client's next poll may see something new, where it would be `otherwise`, in seconds."""
        return min(max(otherwise, ceil(self.next_look)), LATEST)
