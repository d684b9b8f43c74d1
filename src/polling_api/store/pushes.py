"""Jobs that are due at once, since the provider said of their batches that they have ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ARRAY, Float, Text, any_, bindparam, func, null, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.store.clock import NOW, later
from polling_api.store.engine import statements
from polling_api.store.tables import jobs

APART = 0.5  # seconds between two looks at a job, however often the provider says that its batch has ended


@dataclass(frozen=True, slots=True)
class MadeDue:
    """Batches whose jobs are due within a moment, and those whose jobs somebody holds or writes just now.

    What is in neither has no unfinished job, or none whose batch is stored yet.
    """

    due: Sequence[str]
    held: Sequence[str]


_named = (jobs.c.upstream_id == any_(bindparam("batch_ids", type_=ARRAY(Text())))) & jobs.c.finished_at.is_(null())
_soon = func.greatest(NOW, later(jobs.c.observed_at, bindparam("apart", type_=Float())))

# Rows that somebody writes are passed over, not waited for: a look that ends now would put `due_at` off again. So
# nobody waits for anybody here, and the order of locks does not matter.
_free = select(jobs.c.id).where(_named, jobs.c.lease_owner.is_(null())).with_for_update(skip_locked=True).cte("free")
_made = (
    update(jobs)
    .where(jobs.c.id == _free.c.id, jobs.c.due_at > _soon)
    .values(due_at=_soon)
    .returning(jobs.c.id)
    .cte("made")
)
_MAKE_DUE = (
    select(jobs.c.upstream_id, _free.c.id.is_not(null()).label("due"))
    .select_from(jobs.outerjoin(_free, jobs.c.id == _free.c.id))
    .where(_named)
    .add_cte(_made)
)


async def make_due(engine: AsyncEngine, batch_ids: Sequence[str]) -> MadeDue:
    """Have jobs looked at now that nobody looks at.

    Nothing but the time of their next look is changed, and never to a later one. A job that was looked at within
    `APART` is due when that is over.

    Args:
        engine: the primary's.
        batch_ids: the provider's.

    Raises:
        Unavailable: they may or may not be due.
    """
    async with statements(engine) as connection:
        rows = (await connection.execute(_MAKE_DUE, {"batch_ids": list(batch_ids), "apart": APART})).all()
    return MadeDue(
        due=[row.upstream_id for row in rows if row.due], held=[row.upstream_id for row in rows if not row.due]
    )
