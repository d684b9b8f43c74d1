"""What has happened to a job, as it is written to the streams of all readers who have seen the same of it."""

import asyncio
import time

from polling_api import metrics
from polling_api.api.event_stream import part
from polling_api.domain.job import Job

MOST_NEWS = 16  # kept of one version: nearly all its readers have seen the one before it


class News:
    """What all readers of a form are sent who have seen the same version.

    Args:
        missed: the events that they lack.
        job: the newest version, which is in the last of them.

    Attributes:
        part: the bytes, as the server takes them.
        version: which one they have seen then.
        last: whether the stream ends with it.
    """

    __slots__ = ("_committed_at", "_told", "last", "part", "version")

    def __init__(self, missed: bytes, job: Job) -> None:
        self.part = part(missed, last=job.terminal)
        self.version = job.version
        self.last = job.terminal
        self._committed_at = job.updated_at.timestamp()
        self._told = 0

    def count(self) -> None:
        """It was written to a stream. All that are written in one turn of the loop come to their sockets at its end."""
        if not self._told:
            asyncio.get_running_loop().call_soon(self._observe)
        self._told += 1

    def _observe(self) -> None:
        told, self._told = self._told, 0
        delay = max(0.0, time.time() - self._committed_at)
        metrics.commit_to_socket("stream").observe_many(delay, told)
