"""Every kept secret sealed anew, when the first master key is another."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Integer, LargeBinary, Text, Update, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.store.arrays import Rows
from polling_api.store.engine import statements
from polling_api.store.rows import AnyRow
from polling_api.store.tables import keys

BATCH = 200  # secrets in one statement: their rows are locked for some milliseconds

_PAGE = (
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
    while rows := await _page(engine, after, batch):
        after, seen = rows[-1].id, seen + len(rows)
        sealed = [(row.id, row.secret, resealed(row.id, row.secret)) for row in rows]
        changed += await _replace(engine, [(key_id, old, new) for key_id, old, new in sealed if new is not None])
    return Resealed(seen, changed)


async def _page(engine: AsyncEngine, after: str, most: int) -> list[AnyRow]:
    async with statements(engine) as connection:
        return list(await connection.execute(_PAGE, {"after": after, "most": most}))


async def _replace(engine: AsyncEngine, changes: list[tuple[str, bytes, bytes]]) -> int:
    if not changes:
        return 0
    async with statements(engine) as connection:
        return (await connection.execute(_REPLACE, _change.bind(changes))).rowcount


async def a_sealed_secret(engine: AsyncEngine) -> tuple[str, bytes] | None:
    """Any key's id and sealed secret, to try whether the master keys are the right ones; None where there is no key.

    Raises:
        Unavailable: the database did not answer.
    """
    rows = await _page(engine, "", 1)
    return (rows[0].id, rows[0].secret) if rows else None
