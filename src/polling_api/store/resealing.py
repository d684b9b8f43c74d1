"""Every kept secret sealed anew, when the first master key is another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Integer, LargeBinary, Text, Update, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.store.arrays import Rows
from polling_api.store.engine import statements
from polling_api.store.tables import keys

BATCH = 200  # secrets in one statement: their rows are locked for some milliseconds

_READ = (
    select(keys.c.id, keys.c.secret)
    .where(keys.c.id > bindparam("after", type_=Text()))
    .order_by(keys.c.id)
    .limit(bindparam("most", type_=Integer()))
)
_change = Rows("change", key_id=Text(), old=LargeBinary(), new=LargeBinary())


def _replacing() -> Update:
    held = (
        select(keys.c.id, _change.c.new)
        .select_from(_change.table.join(keys, keys.c.id == _change.c.key_id))
        .where(keys.c.secret == _change.c.old)
        .order_by(keys.c.id)
        .with_for_update(of=keys, key_share=True)
        .cte("held")
    )
    return update(keys).where(keys.c.id == held.c.id).values(secret=held.c.new)


_REPLACE = _replacing()


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret as it is kept, and the id of the key that it was sealed for."""

    key_id: str
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many secrets there are, and how many of them were sealed anew."""

    seen: int
    changed: int


async def reseal(
    engine: AsyncEngine, resealed: Callable[[str, bytes], bytes | None], *, batch: int = BATCH
) -> Resealed:
    """Seal all secrets anew, a few in each short statement, beside running services.

    It can be cut short and begun again at any time: what is sealed already is left alone, and a secret that another
    has replaced meanwhile is not overwritten.

    Args:
        engine: the primary's.
        resealed: gives, for a key's id and its sealed secret, the new one, or None where it is right already. What it
            raises ends this; what was sealed before stays.
        batch: secrets in one statement.

    Raises:
        Unavailable: some may be sealed anew, and some not.
    """
    after, seen, changed = "", 0, 0
    while some := await read(engine, after=after, limit=batch):
        after, seen = some[-1].key_id, seen + len(some)
        anew = [(was, resealed(was.key_id, was.sealed)) for was in some]
        changed += await replace(engine, [(was, new) for was, new in anew if new is not None])
    return Resealed(seen, changed)


async def read(engine: AsyncEngine, *, after: str = "", limit: int) -> list[Sealed]:
    """Read some kept secrets in the order of their keys' ids.

    Args:
        engine: the primary's.
        after: the id after which to begin.
        limit: at most so many.

    Raises:
        Unavailable: the database did not answer.
    """
    async with statements(engine) as connection:
        return [Sealed(*row) for row in await connection.execute(_READ, {"after": after, "most": limit})]


async def replace(engine: AsyncEngine, changes: Sequence[tuple[Sealed, bytes]]) -> int:
    """Replace secrets by what they are sealed as now; one that is not as it was is left as it is.

    Returns:
        How many were replaced.

    Raises:
        Unavailable: all or none of them are.
    """
    if not changes:
        return 0
    async with statements(engine) as connection:
        rows = ((was.key_id, was.sealed, new) for was, new in changes)
        return (await connection.execute(_REPLACE, _change.bind(rows))).rowcount
