"""What came of attempts, written for many deliveries by one statement, fenced by the name of who claimed them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    Boolean,
    Float,
    Integer,
    Select,
    Text,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    not_,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.webhook import DeliveryStatus, DisabledBecause, EndpointStatus
from polling_api.store.arrays import Rows
from polling_api.store.clock import NOW, later
from polling_api.store.engine import statements
from polling_api.store.rows import storable
from polling_api.store.schema import TIME
from polling_api.store.tables import job_webhooks
from polling_api.store.tables import webhook_attempts as attempts
from polling_api.store.tables import webhook_deliveries as deliveries
from polling_api.store.tables import webhook_endpoints as endpoints
from polling_api.store.webhook_leases import OWNER

ATTEMPTS_KEPT = 20  # of a delivery: a whole schedule, and some replays


class Fate(StrEnum):
    """What is to become of a delivery."""

    DELIVERED = "delivered"
    RETRIED = "retried"
    DEAD = "dead"


class Sent(NamedTuple):
    """One attempt; see `webhook_deliveries.Attempt`."""

    at: datetime
    status_code: int | None
    duration_ms: int
    error: str | None
    body: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a claimed delivery.

    Attributes:
        delivery_id: which.
        lane: where it waits for its next attempt.
        fate: what is to become of it.
        wait: seconds until it is due again, where it is retried.
        attempt: the attempt; None where it is given back unsent.
        sent: whether the place was asked at all, which says something about it.
        gone: whether the place said that it is not to be told anything any more.
    """

    delivery_id: str
    lane: str
    fate: Fate
    wait: float = 0.0
    attempt: Sent | None = None
    sent: bool = False
    gone: bool = False


class Marked(NamedTuple):
    """What a delivery is after its result was written."""

    delivery_id: str
    status: DeliveryStatus


_result = Rows(
    "result",
    delivery_id=Text(),
    lane=Text(),
    fate=Text(),
    wait=Float(),
    at=TIME,
    status_code=Integer(),
    duration_ms=Integer(),
    error=Text(),
    body=Text(),
    attempted=Boolean(),
    sent=Boolean(),
    gone=Boolean(),
)


def _marking() -> Select[*tuple[Any, ...]]:
    held = (
        select(
            *(deliveries.c[name] for name in ("id", "endpoint_id", "target", "attempts")),
            deliveries.c.status.label("was"),
            *_result.c,
        )
        .select_from(_result.table.join(deliveries, deliveries.c.id == _result.c.delivery_id))
        .where(deliveries.c.lease_owner == OWNER)
        .order_by(deliveries.c.id)
        .with_for_update(of=deliveries)
        .cte("held")
    )
    delivered = held.c.fate == Fate.DELIVERED.value
    stays_superseded = and_(held.c.was == DeliveryStatus.SUPERSEDED.value, not_(delivered))
    waits = and_(held.c.fate == Fate.RETRIED.value, not_(stays_superseded))
    counted = case((held.c.attempted, 1), else_=0)
    status = case(
        (stays_superseded, DeliveryStatus.SUPERSEDED.value),
        (waits, DeliveryStatus.PENDING.value),
        (delivered, DeliveryStatus.DELIVERED.value),
        else_=DeliveryStatus.DEAD.value,
    )
    marked = (
        update(deliveries)
        .where(deliveries.c.id == held.c.id)
        .values(
            status=status,
            due_at=case((waits, later(NOW, held.c.wait)), else_=null()),
            settled_at=case((waits, null()), else_=NOW),
            lease_owner=null(),
            lane=held.c.lane,
            tries=deliveries.c.tries + case((delivered, 0), else_=counted),
            attempts=deliveries.c.attempts + counted,
        )
        .returning(deliveries.c.id, deliveries.c.status)
        .cte("marked")
    )
    return select(marked.c.id, marked.c.status).add_cte(*_attempts_of(held), *_learnt_of_endpoints(held), _gone(held))


def _attempts_of(held: CTE) -> tuple[CTE, CTE]:
    number = held.c.attempts + 1
    told = (held.c[name] for name in ("at", "status_code", "duration_ms", "error", "body"))
    added = insert(attempts).from_select(
        ["delivery_id", "number", "at", "status_code", "duration_ms", "error", "body"],
        select(held.c.id, number, *told).where(held.c.attempted),
    )
    over = delete(attempts).where(
        attempts.c.delivery_id == held.c.id, held.c.attempted, attempts.c.number <= number - ATTEMPTS_KEPT
    )
    return added.cte("added"), over.cte("over")


def _learnt_of_endpoints(held: CTE) -> tuple[CTE, ...]:
    """An endpoint's row is written where something is new of it, and locked in the order of ids."""
    succeeded = func.bool_or(held.c.fate == Fate.DELIVERED.value)
    told = (
        select(held.c.endpoint_id, succeeded.label("well"), func.bool_or(held.c.gone).label("gone"))
        .where(held.c.endpoint_id.is_not(null()), held.c.sent)
        .group_by(held.c.endpoint_id)
        .cte("told")
    )
    enabled = endpoints.c.status == EndpointStatus.ENABLED.value
    news = or_(told.c.well == endpoints.c.failing_since.is_not(null()), and_(told.c.gone, enabled))
    changing = (
        select(endpoints.c.id, told.c.well, told.c.gone)
        .join_from(endpoints, told, told.c.endpoint_id == endpoints.c.id)
        .where(news)
        .order_by(endpoints.c.id)
        .with_for_update(of=endpoints, key_share=True)
        .cte("changing")
    )
    ends = and_(changing.c.gone, enabled)
    learnt = (
        update(endpoints)
        .where(endpoints.c.id == changing.c.id)
        .values(
            failing_since=case((changing.c.well, null()), else_=func.coalesce(endpoints.c.failing_since, NOW)),
            status=case((ends, EndpointStatus.DISABLED.value), else_=endpoints.c.status),
            disabled_because=case((ends, literal(DisabledBecause.GONE.value)), else_=endpoints.c.disabled_because),
        )
        .cte("learnt")
    )
    return (learnt,)


def _gone(held: CTE) -> CTE:
    return (
        update(job_webhooks)
        .where(job_webhooks.c.job_id == held.c.target, held.c.endpoint_id.is_(null()), held.c.gone)
        .values(gone_at=NOW)
        .cte("gone")
    )


_MARK = _marking()


async def mark(engine: AsyncEngine, owner: str, results: Sequence[Result]) -> list[Marked]:
    """Write what came of deliveries, give them back, and note what was learnt about the places, in one statement.

    One that was superseded while it was on its way stays so, unless it arrived. One that `owner` no longer holds is
    passed over.

    Args:
        engine: the primary's.
        owner: the writer's name, under which it claimed.
        results: at most one for each delivery.

    Returns:
        What the deliveries are now; without those whose lease is lost.

    Raises:
        Unavailable: they may or may not be written.
    """
    if not results:
        return []
    async with statements(engine) as connection:
        rows = await connection.execute(_MARK, {"owner": owner, **_result.bind(map(_values_of, results))})
        return [Marked(row.id, DeliveryStatus(row.status)) for row in rows]


def _values_of(result: Result) -> tuple[Any, ...]:
    attempt = result.attempt
    return (
        result.delivery_id,
        result.lane,
        result.fate.value,
        result.wait,
        attempt and attempt.at,
        attempt and attempt.status_code,
        attempt and attempt.duration_ms,
        storable(attempt.error) if attempt else None,
        storable(attempt.body) if attempt else None,
        attempt is not None,
        result.sent,
        result.gone,
    )
