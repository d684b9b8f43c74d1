"""Clients: who may sign requests, and owns jobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Integer, Text, bindparam, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.audit import Entry
from polling_api.domain.client import check_name
from polling_api.errors import NotFound
from polling_api.store.audit import add_beside
from polling_api.store.clock import NOW
from polling_api.store.engine import statements, transaction
from polling_api.store.key_rows import KeyRow, NewKey, add
from polling_api.store.keys import Place
from polling_api.store.tables import clients

MOST_OWN = 20_000  # clients with figures of their own that are read at once, some 3 MB


@dataclass(frozen=True, slots=True)
class Client:
    """A client. `limits` are its own figures, `api_version` the version it is pinned to; None for what all have."""

    id: str
    name: str
    created_at: datetime
    limits: Mapping[str, Any] | None
    api_version: str | None


_TOLD = tuple(clients.c[name] for name in Client.__dataclass_fields__)

_id = bindparam("client_id", type_=Text())
_CREATE = insert(clients).values(id=_id, name=bindparam("given", type_=Text()), created_at=NOW).returning(*_TOLD)
_FIND = select(*_TOLD).where(clients.c.id == _id)

_own_hour = clients.c.limits["hour"].as_integer()
_HOLD = select(clients.c.limits).where(clients.c.id == _id).with_for_update()
_SET_LIMITS = (
    update(clients)
    .where(clients.c.id == _id)
    .values(limits=bindparam("given", type_=JSON(none_as_null=True)))
    .returning(*_TOLD)
)
_OWN_HOURS = (
    select(clients.c.id, _own_hour.label("hour"))
    .where(clients.c.limits.is_not(None), _own_hour.is_not(None))
    .order_by(clients.c.id)
    .limit(MOST_OWN)
)

_PAGE = select(*_TOLD).order_by(clients.c.created_at, clients.c.id).limit(bindparam("most", type_=Integer()))
_place = tuple_(bindparam("at", type_=DateTime(timezone=True)), bindparam("id", type_=Text()))
_NEXT_PAGE = _PAGE.where(tuple_(clients.c.created_at, clients.c.id) > _place)


async def create(
    engine: AsyncEngine, client_id: str, name: str, first: NewKey, *, entry: Entry
) -> tuple[Client, KeyRow]:
    """Make a client with its first key, which has no end, and tell the audit log by `entry`, in one transaction.

    Raises:
        Invalid: the name breaks its rule.
        Unavailable: they may or may not be made; nobody has the key's secret.
    """
    check_name(name)
    async with transaction(engine) as connection:
        row = (await connection.execute(_CREATE, {"client_id": client_id, "given": name})).one()
        key = await add(connection, client_id, first)
        await add_beside(connection, entry)
        return Client(*row), key


async def set_hour(engine: AsyncEngine, client_id: str, hour: int | None, *, entry: Entry) -> Client:
    """Give a client a figure of its own, or take it away (None), and tell the audit log, in one transaction.

    Args:
        engine: the primary's.
        client_id: whose.
        hour: requests an hour; 0 is no limit.
        entry: what the log is told.

    Raises:
        NotFound: there is no such client (`client_not_found`).
        Unavailable: it may or may not be set; setting it again does no harm.
    """
    async with transaction(engine) as connection:
        held = (await connection.execute(_HOLD, {"client_id": client_id})).one_or_none()
        if held is None:
            raise NotFound("There is no such client.", code="client_not_found")
        limits: dict[str, Any] = {**(held.limits or {}), "hour": hour}
        if hour is None:
            del limits["hour"]
        row = (await connection.execute(_SET_LIMITS, {"client_id": client_id, "given": limits or None})).one()
        await add_beside(connection, entry)
        return Client(*row)


async def own_hours(engine: AsyncEngine) -> dict[str, int]:
    """Read the hourly figures of the clients that have one of their own, by id; of 20,000 at most.

    Raises:
        Unavailable: the database did not answer.
    """
    async with statements(engine) as connection:
        return {row.id: row.hour for row in await connection.execute(_OWN_HOURS)}


async def find(engine: AsyncEngine, client_id: str) -> Client | None:
    """Read a client.

    Raises:
        Unavailable: the database did not answer.
    """
    async with statements(engine) as connection:
        row = (await connection.execute(_FIND, {"client_id": client_id})).one_or_none()
    return Client(*row) if row else None


async def page(engine: AsyncEngine, *, after: Place | None, limit: int) -> list[Client]:
    """Read clients in the order in which they were made.

    Args:
        engine: any; a replica may give less than the primary.
        after: where the page before ended; None for the first.
        limit: at most so many.

    Raises:
        Unavailable: the database did not answer.
    """
    query, parameters = _PAGE, {"most": limit}
    if after is not None:
        query, parameters = _NEXT_PAGE, {"most": limit, "at": after.created_at, "id": after.id}
    async with statements(engine) as connection:
        return [Client(*row) for row in await connection.execute(query, parameters)]
