"""How long Redis takes to carry a notice, listened to beside the workers."""

import asyncio
import time
from contextlib import suppress
from datetime import datetime

from polling_api.domain.job import Job, Progress, Status, new_job_id
from polling_api.hub import Hub, Notice, RedisTransport


class Hop:
    """Listens on Redis.

    Attributes:
        after_commit: seconds from a version's commit until its notice came.
        alone: seconds from publishing a notice until it came.
    """

    def __init__(self, redis_url: str) -> None:
        self._hub = Hub(RedisTransport(redis_url, timeout=1))
        self._hub.join(self)
        self._heard = asyncio.Event()
        self.after_commit: list[float] = []
        self.alone: list[float] = []

    def notice(self, notice: Notice) -> None:
        """Note how old the version is."""
        job = notice.job()
        age = time.time() - job.updated_at.timestamp()
        if job.endpoint:
            self.after_commit += [age] * (job.version > 1)
        else:
            self.alone.append(age)
            self._heard.set()

    def gap(self) -> None:
        """Nothing: what is missed here is not measured."""

    async def listen(self) -> None:
        """Until cancelled."""
        await self._hub.run()

    async def measure_alone(self, count: int) -> None:
        """Publish so many notices that are stamped just then, one at a time."""
        for _ in range(count):
            self._heard.clear()
            await self._hub.publish([_stamped()])
            with suppress(TimeoutError):
                await asyncio.wait_for(self._heard.wait(), 1)


def _stamped() -> Job:
    """A version of a job that nobody watches, made just now; without an endpoint, so that it is told from others."""
    now = datetime.now().astimezone()
    return Job(
        id=new_job_id(),
        version=2,
        status=Status.IN_PROGRESS,
        status_version=2,
        progress=Progress(total=1),
        endpoint="",
        provider="simulator",
        created_at=now,
        updated_at=now,
    )
