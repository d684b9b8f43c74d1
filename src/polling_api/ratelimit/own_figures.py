"""The figures that single clients have of their own, kept in memory: a request asks nobody for them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from polling_api.errors import Unavailable
from polling_api.ratelimit.party import UNLIMITED

REFRESH_EVERY = 2.0  # seconds: a figure that is changed holds everywhere within 5 s, as a key's end does
ANSWER_WITHIN = 2.0  # seconds

_log = structlog.get_logger(__name__)


class OwnFigures:
    """Requests an hour, of the clients that have a figure of their own.

    Args:
        read: reads those of all of them, a bounded number; raises `Unavailable`. While it does, the last ones hold.
    """

    def __init__(self, read: Callable[[], Awaitable[Mapping[str, int]]]) -> None:
        self._read = read
        self._hours: Mapping[str, int] | None = None

    def hour(self, client_id: str) -> int | None:
        """A client's own figure, None where it has none; no I/O.

        In the first moments of a process none is known, and nobody is refused for want of one.
        """
        if self._hours is None:
            return UNLIMITED
        own = self._hours.get(client_id)
        return own if own is None else own or UNLIMITED

    async def refresh(self) -> None:
        """Read them anew.

        Raises:
            Unavailable: they cannot be read now.
            TimeoutError: they are not read within 2 s.
        """
        async with asyncio.timeout(ANSWER_WITHIN):
            self._hours = await self._read()

    async def run(self) -> None:
        """Read them again and again, until cancelled."""
        while True:
            try:
                await self.refresh()
            except (Unavailable, TimeoutError) as error:
                _log.warning("clients' own figures could not be read", reason=str(error) or "no answer in time")
            await asyncio.sleep(REFRESH_EVERY)
