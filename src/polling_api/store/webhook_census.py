"""How deliveries and endpoints are as a whole, in one statement."""

from dataclasses import dataclass

from sqlalchemy import func, literal, select
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.webhook import DeliveryStatus, EndpointStatus
from polling_api.store.clock import NOW, earlier
from polling_api.store.engine import statements
from polling_api.store.tables import webhook_deliveries as deliveries
from polling_api.store.tables import webhook_endpoints as endpoints

MOST_COUNTED = 100_000  # due deliveries: more than that is as much of an alarm
FAILING_AFTER = 3600.0  # seconds: a shorter time is a deployment of the receiver's


@dataclass(frozen=True, slots=True)
class Census:
    """Deliveries that are due, and for how many seconds the oldest is; endpoints that are disabled, or long failing."""

    due: int
    oldest: float
    disabled: int
    failing: int


_due = (
    select(deliveries.c.due_at)
    .where(deliveries.c.status == DeliveryStatus.PENDING.value, deliveries.c.due_at <= NOW)
    .limit(MOST_COUNTED)
    .cte("due")
)
_CENSUS = select(
    select(func.count()).select_from(_due).scalar_subquery().label("due"),
    select(func.extract("epoch", NOW - func.min(_due.c.due_at))).scalar_subquery().label("oldest"),
    select(func.count())
    .select_from(endpoints)
    .where(endpoints.c.status == EndpointStatus.DISABLED.value)
    .scalar_subquery()
    .label("disabled"),
    select(func.count())
    .select_from(endpoints)
    .where(
        endpoints.c.status == EndpointStatus.ENABLED.value,
        endpoints.c.failing_since < earlier(NOW, literal(FAILING_AFTER)),
    )
    .scalar_subquery()
    .label("failing"),
)


async def take(engine: AsyncEngine) -> Census:
    """Count.

    Raises:
        Unavailable: the database did not answer.
    """
    async with statements(engine) as connection:
        row = (await connection.execute(_CENSUS)).one()
    return Census(row.due, float(row.oldest or 0), row.disabled, row.failing)
