"""A follower that ends a sleep."""

import asyncio
from collections.abc import Callable

from polling_api.domain.job import Job
from polling_api.watch.topic import Topic


class Waiter:
    """Wakes whoever awaits `woken`, once.

    Args:
        until: whether a version is what is waited for; a job that is gone always is.
    """

    def __init__(self, until: Callable[[Job], bool]) -> None:
        self._until = until
        self.woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def changed(self, topic: Topic) -> None:
        """Look at a version, as a follower is told of it."""
        reached = topic.gone or (topic.snapshot is not None and self._until(topic.snapshot.job))
        if reached and not self.woken.done():
            self.woken.set_result(None)

    def set_back(self, topic: Topic) -> None:
        """What is waited for is told by a version's state, whatever its number."""
        self.changed(topic)
