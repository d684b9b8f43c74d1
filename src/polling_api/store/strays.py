"""What a provider told that fits no item of its job: a little of it is kept, for people to look into."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import BigInteger, Select, Text, bindparam, column, exists, func, null, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.result import Stray
from polling_api.store.arrays import Rows
from polling_api.store.engine import statements
from polling_api.store.rows import storable
from polling_api.store.tables import jobs, strays

MOST_KEPT = 100  # of a job: enough to see what is wrong, whatever a provider sends
LONGEST_LINE = 4096  # bytes of each, in UTF-8

_job_id = bindparam("job_id", type_=Text())
_stray = Rows("stray", number=BigInteger(), kind=Text(), custom_id=Text(), line=Text())


def _new() -> Select[*tuple[Any, ...]]:
    """Those not stored yet, as many as there is still room for."""
    stored = strays.alias("stored")
    of_the_job = select(func.count()).select_from(stored).where(stored.c.job_id == _job_id).scalar_subquery()
    known = exists().where(stored.c.job_id == _job_id, stored.c.number == _stray.c.number)
    unfinished = exists().where(jobs.c.id == _job_id, jobs.c.finished_at.is_(null()))
    return (
        select(_job_id, *_stray.c)
        .where(unfinished, ~known)
        .order_by(column("number"))
        .limit(func.greatest(0, MOST_KEPT - of_the_job))
    )


_KEEP = insert(strays).from_select([one.name for one in strays.columns], _new()).on_conflict_do_nothing()


async def keep(engine: AsyncEngine, job_id: str, found: Iterable[tuple[int, Stray]]) -> None:
    """Keep strays of an unfinished job: the first 100, of each the first 4 KiB; some may be kept already.

    Args:
        engine: the primary's.
        job_id: of which they were told.
        found: each with its place in all that was told, by which it is known again when it is told anew.

    Raises:
        Unavailable: they may or may not be kept.
    """
    rows = ((number, stray.kind.value, _short(stray.custom_id), _short(stray.line)) for number, stray in found)
    async with statements(engine) as connection:
        await connection.execute(_KEEP, {"job_id": job_id, **_stray.bind(rows)})


def _short(text: str | None) -> str | None:
    """The beginning of a text, cut between two characters."""
    stored = storable(text)
    return stored and stored.encode()[:LONGEST_LINE].decode(errors="ignore")
