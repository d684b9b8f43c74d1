"""Clients: who may sign requests, and owns jobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Integer, Text, bindparam, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.audit import Entry
from polling_api.domain.client import check_name
from polling_api.store.audit import add_beside
from polling_api.store.clock import NOW
from polling_api.store.engine import statements, transaction
from polling_api.store.key_rows import KeyRow, NewKey, add
from polling_api.store.keys import Place
from polling_api.store.tables import clients


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
