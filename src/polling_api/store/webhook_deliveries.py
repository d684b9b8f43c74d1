"""Deliveries as their owners see them: listed, with every attempt, and sent again."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Integer, Select, Text, any_, bindparam, case, null, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from polling_api.domain.webhook import DeliveryStatus
from polling_api.errors import NotFound
from polling_api.store.engine import statements
from polling_api.store.keys import Place
from polling_api.store.rows import AnyRow
from polling_api.store.schema import TIME
from polling_api.store.tables import webhook_attempts as attempts
from polling_api.store.tables import webhook_deliveries as deliveries


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt. `duration_ms` is until the answer was read, or given up; `body` is the beginning of the answer."""

    at: datetime
    status_code: int | None
    duration_ms: int
    error: str | None
    body: str | None


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """What may be told of a delivery; the last twenty attempts in their order."""

    id: str
    endpoint_id: str | None
    client_id: str | None
    job_id: str | None
    version: int | None
    event: str
    status: DeliveryStatus
    created_at: datetime
    next_attempt_at: datetime | None
    attempts: list[Attempt] = field(default_factory=list[Attempt])


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which deliveries are wanted; None for all. With no client they are everybody's, as the operator sees them."""

    client_id: str | None
    endpoint_id: str | None = None
    job_id: str | None = None
    status: DeliveryStatus | None = None


_PENDING = DeliveryStatus.PENDING.value

TOLD = (
    *(deliveries.c[name] for name in ("id", "endpoint_id", "client_id", "job_id", "version", "event", "status")),
    deliveries.c.created_at,
    case((deliveries.c.status == _PENDING, deliveries.c.due_at), else_=null()).label("next_attempt_at"),
)
"""What is told of a delivery itself."""

NEWEST_FIRST = (deliveries.c.created_at.desc(), deliveries.c.id.desc())

_id, _client_id = bindparam("delivery_id", type_=Text()), bindparam("client_id", type_=Text())
_place = tuple_(bindparam("at", type_=TIME), bindparam("id", type_=Text()))
_ATTEMPTS = (
    select(attempts)
    .where(attempts.c.delivery_id == any_(bindparam("ids", type_=ARRAY(Text()))))
    .order_by(attempts.c.delivery_id, attempts.c.number)
)


async def page(engine: AsyncEngine, asked: Asked, *, after: Place | None, limit: int) -> list[DeliveryRow]:
    """Read deliveries with their attempts, the newest first, in two statements.

    Args:
        engine: the primary's, so that a client finds what it has just sent again.
        asked: which.
        after: where the page before ended; None for the first.
        limit: at most so many.

    Raises:
        Unavailable: the database did not answer.
    """
    query, values = chosen(select(*TOLD), asked)
    if after is not None:
        query = query.where(tuple_(deliveries.c.created_at, deliveries.c.id) < _place)
        values |= {"at": after.created_at, "id": after.id}
    query = query.order_by(*NEWEST_FIRST).limit(bindparam("most", type_=Integer()))
    async with statements(engine) as connection:
        rows = (await connection.execute(query, {**values, "most": limit})).all()
        return await _with_attempts(connection, rows)


async def find(engine: AsyncEngine, client_id: str | None, delivery_id: str) -> DeliveryRow:
    """Read one delivery with its attempts.

    Args:
        engine: the primary's.
        client_id: the client whose it has to be; None for the operator.
        delivery_id: which.

    Raises:
        NotFound: there is no such delivery, or it is not the client's (`delivery_not_found`).
        Unavailable: the database did not answer.
    """
    query, values = chosen(select(*TOLD).where(deliveries.c.id == _id), Asked(client_id=client_id))
    async with statements(engine) as connection:
        row = (await connection.execute(query, {**values, "delivery_id": delivery_id})).one_or_none()
        if row is None:
            raise no_delivery()
        return (await _with_attempts(connection, [row]))[0]


def chosen(query: Select[*tuple[Any, ...]], asked: Asked) -> tuple[Select[*tuple[Any, ...]], dict[str, Any]]:
    """A query of those deliveries alone that are asked for, and its parameters."""
    wanted: Mapping[str, str | None] = {
        "client_id": asked.client_id,
        "endpoint_id": asked.endpoint_id,
        "job_id": asked.job_id,
        "status": asked.status and asked.status.value,
    }
    values = {name: value for name, value in wanted.items() if value is not None}
    for name in values:
        query = query.where(deliveries.c[name] == bindparam(name, type_=Text()))
    return query, dict[str, Any](values)


def no_delivery() -> NotFound:
    """What is said of a delivery that is missing, or somebody else's."""
    return NotFound("There is no such webhook delivery.", code="delivery_not_found")


async def _with_attempts(connection: AsyncConnection, rows: Collection[AnyRow]) -> list[DeliveryRow]:
    found = {row.id: _delivery(row) for row in rows}
    if found:
        for row in await connection.execute(_ATTEMPTS, {"ids": list(found)}):
            attempt = Attempt(row.at, row.status_code, row.duration_ms, row.error, row.body)
            found[row.delivery_id].attempts.append(attempt)
    return list(found.values())


def _delivery(row: AnyRow) -> DeliveryRow:
    return DeliveryRow(
        id=row.id,
        endpoint_id=row.endpoint_id,
        client_id=row.client_id,
        job_id=row.job_id,
        version=row.version,
        event=row.event,
        status=DeliveryStatus(row.status),
        created_at=row.created_at,
        next_attempt_at=row.next_attempt_at,
    )
