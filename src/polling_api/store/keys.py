"""Keys as their owners see them: made, replaced, ended, listed."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import DateTime, Float, Integer, Text, Update, bindparam, func, null, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.audit import Entry
from polling_api.store.audit import add_beside
from polling_api.store.clock import NOW, later
from polling_api.store.engine import statements
from polling_api.store.key_rows import TOLD, KeyRow, NewKey, add, good_key, key_row, keys_beside, keys_of
from polling_api.store.tables import keys


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of a list ends: at what was made then, with that id."""

    created_at: datetime
    id: str


_key_id = bindparam("key_id", type_=Text())
_RETIRE = (
    update(keys)
    .where(keys.c.id == _key_id)
    .values(expires_at=func.least(keys.c.expires_at, later(NOW, bindparam("overlap", type_=Float()))))
)


def _revoking() -> Update:
    chain = select(keys.c.id).where(keys.c.id == _key_id).cte("chain", recursive=True)
    chain = chain.union(select(keys.c.id).join(chain, keys.c.made_by == chain.c.id))
    # As an array: of a chain Postgres guesses that it is long, and would read the whole table for it.
    ids = func.array(select(chain.c.id).scalar_subquery())
    held = (
        select(keys.c.id)
        .where(keys.c.id == func.any(ids), keys.c.revoked_at.is_(null()))
        .order_by(keys.c.id)
        .with_for_update(of=keys, key_share=True)
        .cte("held")
    )
    return update(keys).where(keys.c.id == held.c.id).values(revoked_at=NOW).returning(keys.c.id)


_REVOKE = _revoking()

_PAGE = (
    select(*TOLD)
    .where(keys.c.client_id == bindparam("client_id", type_=Text()))
    .order_by(keys.c.created_at.desc(), keys.c.id.desc())
    .limit(bindparam("most", type_=Integer()))
)
_place = tuple_(bindparam("at", type_=DateTime(timezone=True)), bindparam("id", type_=Text()))
_NEXT_PAGE = _PAGE.where(tuple_(keys.c.created_at, keys.c.id) < _place)


async def make(
    engine: AsyncEngine,
    client_id: str,
    new: NewKey,
    *,
    entry: Entry,
    expires_in: float | None = None,
    made_by: str | None = None,
) -> KeyRow:
    """Make a key for a client.

    Args:
        engine: the primary's.
        client_id: the client.
        new: the key.
        entry: what the audit log is told, in the same transaction.
        expires_in: seconds until its end; None for no end of its own.
        made_by: the key that makes it, which it does not outlive; None for the operator.

    Raises:
        NotFound: there is no such client, or the maker is no key of it (`client_not_found`, `key_not_found`).
        Conflict: the maker has ended (`key_ended`), or the client has too many keys (`too_many_keys`).
        Unavailable: it may or may not be made; nobody has its secret.
    """
    async with keys_of(engine, client_id) as connection:
        not_after = (await good_key(connection, client_id, made_by)).expires_at if made_by else None
        row = await add(connection, client_id, new, made_by=made_by, expires_in=expires_in, not_after=not_after)
        await add_beside(connection, entry)
        return row


async def rotate(
    engine: AsyncEngine,
    key_id: str,
    new: NewKey,
    *,
    overlap: float,
    entry: Entry,
    client_id: str | None = None,
    by: str | None = None,
) -> KeyRow:
    """Have a new key take the place of another, which ends after the overlap, or sooner if it was to.

    The new one takes over the old one's maker, and the end that the old one was made with: a key that is rotated
    again, since the answer was lost, hands on no less. Where another key asks for it, that one is the new one's maker:
    else a key for an hour could turn one without an end into its own.

    Args:
        engine: the primary's.
        key_id: the old key.
        new: the new one.
        overlap: seconds in which both are good.
        entry: what the audit log is told of the key's client, in the same transaction.
        client_id: the client whose key it has to be; None for the operator, who may rotate any.
        by: the key that asks for it; None for the operator.

    Raises:
        NotFound: there is no such key, or it is not the client's (`key_not_found`).
        Conflict: one of the two has ended (`key_ended`), or the client has too many keys (`too_many_keys`).
        Unavailable: it may or may not be done; then it can be asked for again.
    """
    async with keys_beside(engine, key_id, client_id) as (connection, owner):
        old = await good_key(connection, owner, key_id)
        made_by, not_after = old.made_by, old.granted_until
        if by is not None and by != key_id:
            maker = await good_key(connection, owner, by)
            made_by, not_after = by, _earlier(not_after, maker.expires_at)
        await connection.execute(_RETIRE, {"key_id": key_id, "overlap": overlap})
        row = await add(connection, owner, new, made_by=made_by, not_after=not_after)
        await add_beside(connection, replace(entry, client_id=owner))
        return row


async def revoke(engine: AsyncEngine, key_id: str, *, entry: Entry, client_id: str | None = None) -> set[str]:
    """End a key at once, and with it those that it has made, and those that they have, and so on.

    Args:
        engine: the primary's.
        key_id: the key.
        entry: what the audit log is told of the key's client, in the same transaction.
        client_id: the client whose key it has to be; None for the operator, who may revoke any.

    Returns:
        The keys that this has ended; none where they were revoked already.

    Raises:
        NotFound: there is no such key, or it is not the client's (`key_not_found`).
        Unavailable: it may or may not be revoked; then it can be asked for again.
    """
    async with keys_beside(engine, key_id, client_id) as (connection, owner):
        ended = set((await connection.execute(_REVOKE, {"key_id": key_id})).scalars())
        await add_beside(connection, replace(entry, client_id=owner))
        return ended


async def page(engine: AsyncEngine, client_id: str, *, after: Place | None, limit: int) -> list[KeyRow]:
    """Read a client's keys, the newest first, those that have ended among them.

    Args:
        engine: any; a replica may give less than the primary.
        client_id: the client; of one that is not there nothing is found.
        after: where the page before ended; None for the first.
        limit: at most so many.

    Raises:
        Unavailable: the database did not answer.
    """
    parameters = {"client_id": client_id, "most": limit}
    query = _PAGE
    if after is not None:
        query, parameters = _NEXT_PAGE, {**parameters, "at": after.created_at, "id": after.id}
    async with statements(engine) as connection:
        return [key_row(row) for row in await connection.execute(query, parameters)]


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two ends, where None is no end."""
    return min(filter(None, (one, other)), default=None)
