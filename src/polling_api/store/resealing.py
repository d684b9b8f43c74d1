"""Every kept secret sealed anew, when the first master key is another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Column, Integer, LargeBinary, Select, Text, Update, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.store.arrays import Rows
from polling_api.store.engine import statements
from polling_api.store.tables import job_webhooks, keys
from polling_api.store.tables import webhook_endpoints as endpoints

BATCH = 200  # secrets in one statement: their rows are locked for some milliseconds

_change = Rows("change", owner_id=Text(), old=LargeBinary(), new=LargeBinary())


class Place(NamedTuple):
    """Where secrets are kept: the column, and that of the id for which each was sealed."""

    sealed: Column[Any]
    owner: Column[Any]


KEYS = Place(keys.c.secret, keys.c.id)
EVERYWHERE = (
    KEYS,
    Place(endpoints.c.secret, endpoints.c.id),
    Place(endpoints.c.previous_secret, endpoints.c.id),
    Place(job_webhooks.c.secret, job_webhooks.c.job_id),
)


def _reading(place: Place) -> Select[*tuple[Any, ...]]:
    return (
        select(place.owner, place.sealed)
        .where(place.owner > bindparam("after", type_=Text()), place.sealed.is_not(None))
        .order_by(place.owner)
        .limit(bindparam("most", type_=Integer()))
    )


def _replacing(place: Place) -> Update:
    table = place.sealed.table
    held = (
        select(place.owner, _change.c.new)
        .select_from(_change.table.join(table, place.owner == _change.c.owner_id))
        .where(place.sealed == _change.c.old)
        .order_by(place.owner)
        .with_for_update(of=table, key_share=True)
        .cte("held")
    )
    return update(table).where(place.owner == held.c[place.owner.name]).values({place.sealed.name: held.c.new})


_READ = {place: _reading(place) for place in EVERYWHERE}
_REPLACE = {place: _replacing(place) for place in EVERYWHERE}


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret as it is kept, and the id of what it was sealed for: a key, an endpoint, a job."""

    owner_id: str
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
        resealed: gives, for the id of what a secret belongs to and the sealed secret, the new one, or None where it is
            right already. What it raises ends this; what was sealed before stays.
        batch: secrets in one statement.

    Raises:
        Unavailable: some may be sealed anew, and some not.
    """
    seen, changed = 0, 0
    for place in EVERYWHERE:
        after = ""
        while some := await read(engine, place, after=after, limit=batch):
            after, seen = some[-1].owner_id, seen + len(some)
            anew = [(was, resealed(was.owner_id, was.sealed)) for was in some]
            changed += await replace(engine, [(was, new) for was, new in anew if new is not None], place)
    return Resealed(seen, changed)


async def read(engine: AsyncEngine, place: Place = KEYS, *, after: str = "", limit: int) -> list[Sealed]:
    """Read some kept secrets in the order of the ids that they were sealed for.

    Args:
        engine: the primary's.
        place: where they are kept.
        after: the id after which to begin.
        limit: at most so many.

    Raises:
        Unavailable: the database did not answer.
    """
    async with statements(engine) as connection:
        return [Sealed(*row) for row in await connection.execute(_READ[place], {"after": after, "most": limit})]


async def replace(engine: AsyncEngine, changes: Sequence[tuple[Sealed, bytes]], place: Place = KEYS) -> int:
    """Replace secrets by what they are sealed as now; one that is not as it was is left as it is.

    Returns:
        How many were replaced.

    Raises:
        Unavailable: all or none of them are.
    """
    if not changes:
        return 0
    async with statements(engine) as connection:
        rows = ((was.owner_id, was.sealed, new) for was, new in changes)
        return (await connection.execute(_REPLACE[place], _change.bind(rows))).rowcount
