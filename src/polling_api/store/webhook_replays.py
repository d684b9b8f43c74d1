"""Deliveries that are sent again because somebody asks, under the id they always had; and tests of an endpoint.

An older version is never sent after a newer one: what is not the newest that a place was to be told of its job is
refused. The job's row is held meanwhile, as by whoever writes its next version, so that none comes in between.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Text,
    Update,
    and_,
    any_,
    bindparam,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from polling_api.domain.audit import Entry
from polling_api.domain.webhook import TEST_EVENT, DeliveryStatus, EndpointStatus
from polling_api.errors import Conflict
from polling_api.store import webhook_deliveries
from polling_api.store.audit import add_beside
from polling_api.store.clock import NOW
from polling_api.store.engine import transaction
from polling_api.store.schema import TIME
from polling_api.store.tables import job_webhooks, jobs
from polling_api.store.tables import webhook_deliveries as deliveries
from polling_api.store.tables import webhook_endpoints as endpoints
from polling_api.store.webhook_deliveries import Asked, DeliveryRow, chosen, no_delivery
from polling_api.store.webhook_endpoints import no_endpoint

MOST = 1000  # sent again by one call, in one short transaction

_ids = bindparam("ids", type_=ARRAY(Text()))


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many are sent again, and whether there may be more of those that were asked for."""

    count: int
    more: bool


def _newer() -> ColumnElement[bool]:
    other = deliveries.alias("other")
    return exists().where(
        other.c.job_id == deliveries.c.job_id,
        other.c.target == deliveries.c.target,
        other.c.version > deliveries.c.version,
    )


def _open() -> ColumnElement[bool]:
    """Whether there is still somebody to be told."""
    endpoint = exists().where(
        endpoints.c.id == deliveries.c.endpoint_id, endpoints.c.status == EndpointStatus.ENABLED.value
    )
    own = exists().where(job_webhooks.c.job_id == deliveries.c.target, job_webhooks.c.gone_at.is_(None))
    return or_(endpoint, and_(deliveries.c.endpoint_id.is_(None), own))


_HOLD_JOBS = select(jobs.c.id).where(jobs.c.id == any_(_ids)).order_by(jobs.c.id).with_for_update(of=jobs, read=True)
_STANDING = select(
    deliveries.c.job_id, deliveries.c.status, deliveries.c.lease_owner, _newer().label("newer"), _open().label("open")
).where(deliveries.c.id == any_(_ids))


def _sending_again() -> Update:
    held = (
        select(deliveries.c.id)
        .where(deliveries.c.id == any_(_ids), deliveries.c.lease_owner.is_(None), ~_newer(), _open())
        .order_by(deliveries.c.id)
        .with_for_update(of=deliveries)
        .cte("held")
    )
    return (
        update(deliveries)
        .where(deliveries.c.id == held.c.id)
        .values(status=DeliveryStatus.PENDING.value, due_at=NOW, tries=0, settled_at=None)
    )


_SEND_AGAIN = _sending_again()

_TESTED = {
    "id": bindparam("delivery_id", type_=Text()),
    "endpoint_id": endpoints.c.id,
    "target": endpoints.c.id,
    "client_id": endpoints.c.client_id,
    "lane": endpoints.c.lane,
    "event": literal(TEST_EVENT),
    "terminal": literal(value=False),
    "created_at": NOW,
    "status": literal(DeliveryStatus.PENDING.value),
    "due_at": NOW,
    "tries": literal(0),
    "attempts": literal(0),
}
_TEST = insert(deliveries).from_select(
    list(_TESTED), select(*_TESTED.values()).where(endpoints.c.id == bindparam("endpoint_id", type_=Text()))
)
_STATUS = (
    select(endpoints.c.status, endpoints.c.client_id)
    .where(
        endpoints.c.id == bindparam("endpoint_id", type_=Text()),
        endpoints.c.client_id == func.coalesce(bindparam("client_id", type_=Text()), endpoints.c.client_id),
    )
    .with_for_update(read=True)
)


async def replay(engine: AsyncEngine, client_id: str | None, delivery_id: str, *, entry: Entry) -> DeliveryRow:
    """Send a delivery again now, whatever became of it before; one that is still to be sent, now.

    Args:
        engine: the primary's.
        client_id: the client whose it has to be; None for the operator.
        delivery_id: which.
        entry: what the audit log is told, in the same transaction.

    Raises:
        NotFound: there is no such delivery, or it is not the client's (`delivery_not_found`).
        Conflict: the endpoint is disabled or deleted (`endpoint_disabled`), or a newer version of the job was to be
            told there (`delivery_superseded`).
        Unavailable: it may or may not be sent again; asking again does no harm.
    """
    found = await webhook_deliveries.find(engine, client_id, delivery_id)
    async with transaction(engine) as connection:
        await _hold_jobs(connection, [found.job_id])
        standing = (await connection.execute(_STANDING, {"ids": [delivery_id]})).one_or_none()
        if standing is None:
            raise no_delivery()
        if not standing.open:
            raise Conflict("The webhook endpoint is disabled or deleted.", code="endpoint_disabled")
        if standing.newer:
            raise Conflict("A newer version of the job was to be told there since.", code="delivery_superseded")
        await connection.execute(_SEND_AGAIN, {"ids": [delivery_id]})
        await add_beside(connection, replace(entry, client_id=found.client_id, job_id=found.job_id))
    return await webhook_deliveries.find(engine, client_id, delivery_id)


async def replay_dead(
    engine: AsyncEngine,
    asked: Asked,
    *,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    entry: Entry,
    most: int = MOST,
) -> Replayed:
    """Send dead letters again, the oldest first, at most so many; whoever has more asks again.

    Those of disabled or deleted endpoints, and those that a newer version has taken the place of, are passed over.

    Args:
        engine: the primary's.
        asked: whose, and where; its status is not looked at.
        created_after: only those made later.
        created_before: only those made earlier.
        entry: what the audit log is told, in the same transaction.
        most: at most so many.

    Raises:
        Unavailable: they may or may not be sent again; asking again does no harm.
    """
    query, values = chosen(select(deliveries.c.id, deliveries.c.job_id), replace(asked, status=DeliveryStatus.DEAD))
    query = query.where(~_newer(), _open())
    if created_after is not None:
        query = query.where(deliveries.c.created_at > bindparam("created_after", type_=TIME))
        values["created_after"] = created_after
    if created_before is not None:
        query = query.where(deliveries.c.created_at < bindparam("created_before", type_=TIME))
        values["created_before"] = created_before
    query = query.order_by(deliveries.c.created_at, deliveries.c.id).limit(bindparam("most", type_=Integer()))
    async with transaction(engine) as connection:
        rows = (await connection.execute(query, {**values, "most": most + 1})).all()
        some = rows[:most]
        await _hold_jobs(connection, [row.job_id for row in some])
        sent = (await connection.execute(_SEND_AGAIN, {"ids": [row.id for row in some]})).rowcount
        await add_beside(connection, entry)
    return Replayed(sent, len(rows) > most)


async def test(
    engine: AsyncEngine, client_id: str | None, endpoint_id: str, delivery_id: str, *, entry: Entry
) -> DeliveryRow:
    """Have an endpoint told something that is of no job.

    Args:
        engine: the primary's.
        client_id: the client whose it has to be; None for the operator.
        endpoint_id: which.
        delivery_id: a new one.
        entry: what the audit log is told, in the same transaction.

    Raises:
        NotFound: the client has no such endpoint (`endpoint_not_found`).
        Conflict: the endpoint is disabled (`endpoint_disabled`).
        Unavailable: it may or may not be told.
    """
    values = {"endpoint_id": endpoint_id, "client_id": client_id, "delivery_id": delivery_id}
    async with transaction(engine) as connection:
        found = (await connection.execute(_STATUS, values)).one_or_none()
        if found is None:
            raise no_endpoint()
        if found.status == EndpointStatus.DISABLED:
            raise Conflict("The webhook endpoint is disabled.", code="endpoint_disabled")
        await connection.execute(_TEST, values)
        await add_beside(connection, replace(entry, client_id=found.client_id))
    return await webhook_deliveries.find(engine, client_id, delivery_id)


async def _hold_jobs(connection: AsyncConnection, ids: list[Any]) -> None:
    if known := sorted({job_id for job_id in ids if job_id is not None}):
        await connection.execute(_HOLD_JOBS, {"ids": known})
