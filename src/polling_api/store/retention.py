"""What is not kept for ever: results, then jobs, and keys; each found by an index, a bounded number at a time.

Any number of callers may do this side by side: a row that one has in hand is passed over by the others.
"""

from typing import Any

from sqlalchemy import CTE, Delete, Float, Integer, Select, bindparam, delete, null, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.store.clock import NOW, later
from polling_api.store.engine import statements
from polling_api.store.purges import forgetting, queueing
from polling_api.store.tables import idempotency_keys as keys
from polling_api.store.tables import job_webhooks, jobs
from polling_api.store.tables import webhook_attempts as attempts
from polling_api.store.tables import webhook_deliveries as deliveries

_most = bindparam("most", type_=Integer())


def _expiring_results() -> Select[Any]:
    due = _locked(
        select(jobs.c.id)
        .where(jobs.c.results_expire_at <= NOW, jobs.c.results_purged_at.is_(null()))
        .order_by(jobs.c.results_expire_at)
    )
    marked = update(jobs).where(jobs.c.id == due.c.id).values(results_purged_at=NOW).returning(jobs.c.id).cte("marked")
    return select(marked.c.id).add_cte(queueing(marked))


def _expiring_jobs() -> Select[Any]:
    over = later(NOW, -bindparam("keep", type_=Float()))
    due = _locked(select(jobs.c.id).where(jobs.c.finished_at <= over).order_by(jobs.c.finished_at))
    gone = delete(jobs).where(jobs.c.id == due.c.id).returning(jobs.c.id).cte("gone")
    return select(gone.c.id).add_cte(*forgetting(gone))


def _expiring_keys() -> Delete:
    due = _locked(select(keys.c.scope, keys.c.key).where(keys.c.expires_at <= NOW).order_by(keys.c.expires_at))
    return delete(keys).where(tuple_(keys.c.scope, keys.c.key) == tuple_(due.c.scope, due.c.key))


def _expiring_deliveries() -> Select[Any]:
    over = later(NOW, -bindparam("keep", type_=Float()))
    settled = select(deliveries.c.id).where(deliveries.c.settled_at <= over).order_by(deliveries.c.settled_at)
    due = _locked(settled)
    gone = delete(deliveries).where(deliveries.c.id == due.c.id).returning(deliveries.c.id).cte("gone")
    told = delete(attempts).where(attempts.c.delivery_id == gone.c.id).cte("told")
    return select(gone.c.id).add_cte(told)


def _expiring_job_webhooks() -> Delete:
    over = later(NOW, -bindparam("keep", type_=Float()))
    orphaned = select(job_webhooks.c.job_id).where(job_webhooks.c.orphaned_at <= over)
    due = _locked(orphaned.order_by(job_webhooks.c.orphaned_at))
    return delete(job_webhooks).where(job_webhooks.c.job_id == due.c.job_id)


def _locked(found: Select[*tuple[Any, ...]]) -> CTE:
    return found.limit(_most).with_for_update(skip_locked=True).cte("due")


_EXPIRE_RESULTS, _EXPIRE_JOBS, _EXPIRE_KEYS = _expiring_results(), _expiring_jobs(), _expiring_keys()
_EXPIRE_DELIVERIES, _EXPIRE_JOB_WEBHOOKS = _expiring_deliveries(), _expiring_job_webhooks()


async def expire_results(engine: AsyncEngine, *, limit: int) -> list[str]:
    """Give up the requests and results of finished jobs that have kept them long enough, to be purged.

    The jobs stay as they are: no client sees a difference but that there are no results.

    Args:
        engine: the primary's.
        limit: at most so many jobs.

    Returns:
        The jobs.

    Raises:
        Unavailable: they may or may not be given up.
    """
    async with statements(engine) as connection:
        return list((await connection.execute(_EXPIRE_RESULTS, {"most": limit})).scalars())


async def expire_jobs(engine: AsyncEngine, *, jobs_keep: float, limit: int) -> list[str]:
    """Delete jobs that ended long enough ago, with their history and keys, and give up what else they have.

    Args:
        engine: the primary's.
        jobs_keep: seconds from a job's end until it is deleted.
        limit: at most so many jobs.

    Returns:
        The jobs that are gone.

    Raises:
        Unavailable: they may or may not be gone.
    """
    async with statements(engine) as connection:
        return list((await connection.execute(_EXPIRE_JOBS, {"keep": jobs_keep, "most": limit})).scalars())


async def expire_keys(engine: AsyncEngine, *, limit: int) -> int:
    """Delete idempotency keys that have expired; answers how many.

    Raises:
        Unavailable: they may or may not be deleted.
    """
    async with statements(engine) as connection:
        return (await connection.execute(_EXPIRE_KEYS, {"most": limit})).rowcount


async def expire_deliveries(engine: AsyncEngine, *, keep: float, limit: int) -> int:
    """Delete webhook deliveries that were settled long enough ago, with their attempts; answers how many.

    What is still to be told stays, however old it is. Of jobs that were deleted as long ago, their own webhooks go too.

    Args:
        engine: the primary's.
        keep: seconds from a delivery's end until it is deleted; longer than any is tried.
        limit: at most so many.

    Raises:
        Unavailable: they may or may not be deleted.
    """
    async with statements(engine) as connection:
        gone = list((await connection.execute(_EXPIRE_DELIVERIES, {"keep": keep, "most": limit})).scalars())
        webhooks = (await connection.execute(_EXPIRE_JOB_WEBHOOKS, {"keep": keep, "most": limit})).rowcount
    return max(len(gone), webhooks)
