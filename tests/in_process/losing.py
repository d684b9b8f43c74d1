"""A failover to a copy that had not been told of the last commits, as the rows of the database then show it."""

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import Job
from polling_api.store.tables import jobs, transitions


async def lose_all_after(engine: AsyncEngine, job: Job) -> None:
    """Have the primary know nothing of a job that came after a version."""
    async with engine.begin() as connection:
        await connection.execute(
            delete(transitions).where(transitions.c.job_id == job.id).where(transitions.c.version > job.version)
        )
        await connection.execute(
            update(jobs)
            .where(jobs.c.id == job.id)
            .values(
                version=job.version,
                status=job.status.value,
                status_version=job.status_version,
                completed=job.progress.completed,
                failed=job.progress.failed,
                expired=job.progress.expired,
                cancelled=job.progress.cancelled,
                updated_at=job.updated_at,
                started_at=job.started_at,
                finished_at=job.finished_at,
                results_expire_at=job.results_expire_at,
            )
        )


async def lose(engine: AsyncEngine, job: Job) -> None:
    """Have the primary know nothing of a job at all."""
    async with engine.begin() as connection:
        await connection.execute(delete(transitions).where(transitions.c.job_id == job.id))
        await connection.execute(delete(jobs).where(jobs.c.id == job.id))
