"""Keys as those need them who verify signatures: which are good, which have ended, and that one was used.

What is asked here again and again is asked by an index, and about a bounded number of keys.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import (
    ARRAY,
    DateTime,
    Float,
    Text,
    Update,
    any_,
    bindparam,
    func,
    literal,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.store.arrays import Rows
from polling_api.store.clock import NOW, earlier
from polling_api.store.engine import statements
from polling_api.store.tables import keys

TRUE_TO = 60.0  # seconds: how true `last_used_at` is, and so how seldom a key in use is written, by however many nodes


@dataclass(frozen=True, slots=True)
class End:
    """When a key ends, None for never; and whether it has, by the database's clock."""

    ends_at: datetime | None
    ended: bool


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A key with its secret as the vault sealed it."""

    id: str
    client_id: str
    sealed: bytes = field(repr=False)
    end: End


_ends_at = func.least(keys.c.expires_at, keys.c.revoked_at, type_=DateTime(timezone=True))
_end = (_ends_at.label("ends_at"), func.coalesce(_ends_at <= NOW, False).label("ended"))
_asked = keys.c.id == any_(bindparam("ids", type_=ARRAY(Text())))

_FIND = select(keys.c.id, keys.c.client_id, keys.c.secret, *_end).where(_asked)
_ENDS = select(keys.c.id, *_end).where(_asked)

_since = earlier(NOW, bindparam("seconds", type_=Float()))
_ENDED_SINCE = union_all(
    select(keys.c.id).where(keys.c.revoked_at > _since),
    select(keys.c.id).where(keys.c.expires_at > _since, keys.c.expires_at <= NOW),
)

_use = Rows("use", key_id=Text(), ago=Float())


def _noting() -> Update:
    at = earlier(NOW, _use.c.ago)
    # What another node notes at this moment is as true: nobody waits, and no two wait for each other.
    held = (
        select(keys.c.id, at.label("at"))
        .select_from(_use.table.join(keys, keys.c.id == _use.c.key_id))
        .where(or_(keys.c.last_used_at.is_(None), keys.c.last_used_at <= earlier(at, literal(TRUE_TO))))
        .order_by(keys.c.id)
        .with_for_update(of=keys, key_share=True, skip_locked=True)
        .cte("held")
    )
    return update(keys).where(keys.c.id == held.c.id).values(last_used_at=held.c["at"])


_NOTE_USED = _noting()


async def find(engine: AsyncEngine, ids: Collection[str]) -> dict[str, SealedKey]:
    """Read keys with their secrets, those that have ended too; an unknown id is not among them.

    Raises:
        Unavailable: the database did not answer.
    """
    async with statements(engine) as connection:
        return {
            row.id: SealedKey(row.id, row.client_id, row.secret, End(row.ends_at, row.ended))
            for row in await connection.execute(_FIND, {"ids": list(ids)})
        }


async def ends(engine: AsyncEngine, ids: Collection[str]) -> dict[str, End]:
    """Read when keys end; an unknown id is not among them.

    Raises:
        Unavailable: the database did not answer.
    """
    async with statements(engine) as connection:
        rows = await connection.execute(_ENDS, {"ids": list(ids)})
        return {row.id: End(row.ends_at, row.ended) for row in rows}


async def ended_since(engine: AsyncEngine, seconds: float) -> set[str]:
    """Read which of all keys were revoked or expired within the last so many seconds.

    What is committed late is found by whoever asks for some time more than has passed since it asked last.

    Raises:
        Unavailable: the database did not answer.
    """
    async with statements(engine) as connection:
        return set((await connection.execute(_ENDED_SINCE, {"seconds": seconds})).scalars())


async def note_used(engine: AsyncEngine, ago: Mapping[str, float]) -> None:
    """Note when keys were used, true to a minute: what would move a key's time by less is left alone.

    Args:
        engine: the primary's.
        ago: for each key, how many seconds ago it was used; no node's clock is asked.

    Raises:
        Unavailable: it may or may not be noted; noting it again does no harm.
    """
    async with statements(engine) as connection:
        await connection.execute(_NOTE_USED, _use.bind(ago.items()))


class PrimaryKeys:
    """These reads and this write, bound to the primary's engine, as the keyring asks for them."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, ids: Collection[str]) -> Mapping[str, SealedKey]:
        """See `find`."""
        return await find(self._engine, ids)

    async def ends(self, ids: Collection[str]) -> Mapping[str, End]:
        """See `ends`."""
        return await ends(self._engine, ids)

    async def ended_since(self, seconds: float) -> Collection[str]:
        """See `ended_since`."""
        return await ended_since(self._engine, seconds)

    async def note_used(self, ago: Mapping[str, float]) -> None:
        """See `note_used`."""
        await note_used(self._engine, ago)
