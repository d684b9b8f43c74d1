"""The rows of keys: what is told of one, how one is added, and who may change those of a client meanwhile.

Whoever makes or ends keys of a client holds the client's row, so that a key made while its maker is being revoked
cannot escape. Whoever locks more than one row of `keys` does so in the order of ids, so that no two wait for each
other.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Float, Select, and_, bindparam, func, insert, null, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from polling_api.errors import Conflict, NotFound
from polling_api.store.clock import NOW, later
from polling_api.store.engine import transaction
from polling_api.store.rows import AnyRow
from polling_api.store.tables import clients, keys

MOST_KEYS = 100  # good ones of a client at once: some for each of its places, and twice while they are replaced


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be made: its id, and its secret as the vault sealed it for that id."""

    id: str
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """What may be told of a key."""

    id: str
    client_id: str
    made_by: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


TOLD = tuple(keys.c[name] for name in KeyRow.__dataclass_fields__)

_client_id, _key_id = bindparam("client_id", type_=keys.c.client_id.type), bindparam("key_id", type_=keys.c.id.type)
_good = and_(keys.c.revoked_at.is_(null()), or_(keys.c.expires_at.is_(null()), keys.c.expires_at > NOW))


def _holding(found: Select[Any]) -> Select[Any]:
    # Not FOR UPDATE: whoever inserts a key looks up its client and its maker (foreign keys), and need not wait for us.
    return found.with_for_update(of=clients, key_share=True)


_HOLD = _holding(select(clients.c.id).where(clients.c.id == _client_id))
_HOLD_OWNER = _holding(
    select(clients.c.id)
    .join(keys, keys.c.client_id == clients.c.id)
    .where(keys.c.id == _key_id, keys.c.client_id == func.coalesce(_client_id, keys.c.client_id))
)

_STANDING = select(keys.c.made_by, keys.c.granted_until, keys.c.expires_at, _good.label("good")).where(
    keys.c.id == _key_id, keys.c.client_id == _client_id
)
_COUNT = select(func.count()).where(keys.c.client_id == _client_id, _good)

_end = func.least(
    later(NOW, bindparam("expires_in", type_=Float())), bindparam("not_after", type_=DateTime(timezone=True))
)
_ADD = (
    insert(keys)
    .values(
        id=_key_id,
        client_id=_client_id,
        secret=bindparam("sealed", type_=keys.c.secret.type),
        made_by=bindparam("made_by", type_=keys.c.made_by.type),
        created_at=NOW,
        granted_until=_end,
        expires_at=_end,
    )
    .returning(*TOLD)
)


@asynccontextmanager
async def keys_of(engine: AsyncEngine, client_id: str) -> AsyncGenerator[AsyncConnection, None]:
    """Lend a transaction in which nobody else makes or ends keys of the client.

    Raises:
        NotFound: there is no such client (`client_not_found`).
    """
    async with transaction(engine) as connection:
        if await connection.scalar(_HOLD, {"client_id": client_id}) is None:
            raise NotFound("There is no such client.", code="client_not_found")
        yield connection


@asynccontextmanager
async def keys_beside(
    engine: AsyncEngine, key_id: str, client_id: str | None
) -> AsyncGenerator[tuple[AsyncConnection, str], None]:
    """Lend the like for the client of a key, and the client; which it has to be, where one is given.

    Raises:
        NotFound: there is no such key, or it is another client's (`key_not_found`).
    """
    async with transaction(engine) as connection:
        owner = await connection.scalar(_HOLD_OWNER, {"key_id": key_id, "client_id": client_id})
        if owner is None:
            raise _no_key()
        yield connection, owner


async def good_key(connection: AsyncConnection, client_id: str, key_id: str) -> AnyRow:
    """The maker and the two ends of a key that is good now.

    Raises:
        NotFound: the client has no such key (`key_not_found`).
        Conflict: it has ended (`key_ended`).
    """
    row = (await connection.execute(_STANDING, {"key_id": key_id, "client_id": client_id})).one_or_none()
    if row is None:
        raise _no_key()
    if not row.good:
        raise Conflict("The key has ended.", code="key_ended")
    return row


async def add(
    connection: AsyncConnection,
    client_id: str,
    new: NewKey,
    *,
    made_by: str | None = None,
    expires_in: float | None = None,
    not_after: datetime | None = None,
) -> KeyRow:
    """Add a key that ends in so many seconds, or at a moment if that is earlier; without either, it has no end.

    Raises:
        Conflict: the client has as many good ones as it may have (`too_many_keys`).
    """
    if (await connection.execute(_COUNT, {"client_id": client_id})).scalar_one() >= MOST_KEYS:
        raise Conflict(
            f"The client has {MOST_KEYS} good keys, and more are not kept. End one that is not used any more.",
            code="too_many_keys",
        )
    values = {
        "key_id": new.id,
        "client_id": client_id,
        "sealed": new.sealed,
        "made_by": made_by,
        "expires_in": expires_in,
        "not_after": not_after,
    }
    return key_row((await connection.execute(_ADD, values)).one())


def key_row(row: AnyRow) -> KeyRow:
    """Read a row that holds the columns `TOLD`."""
    return KeyRow(*row)


def _no_key() -> NotFound:
    return NotFound("There is no such key.", code="key_not_found")
