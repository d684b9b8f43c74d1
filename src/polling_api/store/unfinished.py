"""How many unfinished jobs somebody may have whom nobody knows: counted where the next one is stored."""

from dataclasses import dataclass
from hashlib import blake2b

from sqlalchemy import BigInteger, Integer, Text, bindparam, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from polling_api.errors import TooMany
from polling_api.store.tables import jobs

RETRY_AFTER = 30  # seconds: jobs take minutes, and some end each minute


@dataclass(frozen=True, slots=True)
class Share:
    """What an unsigned caller may have at once: `most` unfinished jobs of one `submitter`, an address."""

    submitter: str
    most: int


_LOCK = select(func.pg_advisory_xact_lock(bindparam("lock", type_=BigInteger())))
_unfinished = (
    select(literal(1))
    .where(jobs.c.submitter == bindparam("submitter", type_=Text()), jobs.c.finished_at.is_(None))
    .limit(bindparam("most", type_=Integer()))
    .subquery()
)
_COUNT = select(func.count()).select_from(_unfinished)


async def require_room(connection: AsyncConnection, share: Share) -> None:
    """Let one more job of a submitter be stored, by the transaction under way.

    Whoever stores for the same address at the same moment waits until this transaction has ended, and then counts its
    job too: so the figure is exact, however many ask at once. The lock is Postgres's to give back.

    Raises:
        TooMany: it has as many as it may (`too_many_jobs`).
    """
    # Two statements: one alone would count what was there before it had the lock.
    await connection.execute(_LOCK, {"lock": _lock_of(share.submitter)})
    unfinished = await connection.scalar(_COUNT, {"submitter": share.submitter, "most": share.most})
    if unfinished is None or unfinished >= share.most:
        raise TooMany(
            f"{share.most} jobs from your address are unfinished; more are taken when one has ended.",
            code="too_many_jobs",
            retry_after=RETRY_AFTER,
        )


def _lock_of(submitter: str) -> int:
    """The address's name among advisory locks: two that share one by chance (2^-64) wait for each other."""
    return int.from_bytes(blake2b(submitter.encode(), digest_size=8, person=b"submitter").digest(), signed=True)
