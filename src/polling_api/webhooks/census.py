"""Shows in the metrics how deliveries and endpoints are as a whole."""

import asyncio

from polling_api import metrics
from polling_api.resilience.reporting import report
from polling_api.store import webhook_census
from polling_api.store.engine import Engine

EVERY = 15.0  # seconds: as often as metrics are commonly asked for


class Census:
    """Counts now and then.

    Args:
        engine: the primary's.
        every: seconds between two counts.
    """

    def __init__(self, engine: Engine, every: float = EVERY) -> None:
        self._engine = engine
        self._every = every

    async def run(self) -> None:
        """Count until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            try:
                await self.turn()
            except Exception as error:  # noqa: BLE001 - figures that are old are better than none
                report(error, "webhooks not counted")

    async def turn(self) -> None:
        """Count once.

        Raises:
            Unavailable: the database does not answer.
        """
        counted = await webhook_census.take(self._engine)
        metrics.WEBHOOKS_DUE.set(counted.due)
        metrics.WEBHOOKS_OLDEST_DUE.set(counted.oldest)
        metrics.WEBHOOK_ENDPOINTS.labels("disabled").set(counted.disabled)
        metrics.WEBHOOK_ENDPOINTS.labels("failing").set(counted.failing)
