"""Who may see which job: the one place that decides it."""

from polling_api.domain.job import JOB_ID
from polling_api.errors import NotFound
from polling_api.representation import Snapshot
from polling_api.watch import StatusWatch


def visible(snapshot: Snapshot | None) -> Snapshot | None:
    """The snapshot if the simple set may show it: jobs that belong to nobody; None looks like a missing job."""
    return snapshot if snapshot and snapshot.job.client_id is None else None


def no_such_job() -> NotFound:
    """The one answer for jobs that are missing and for those of others."""
    return NotFound("There is no such job, or it is not yours.", code="job_not_found")


async def seen_job(watch: StatusWatch, job_id: str) -> Snapshot:
    """The present version of a job, for all but hot reads.

    Raises:
        NotFound: there is no such job, or it is not the caller's.
        Unavailable: that cannot be said now.
    """
    # What is no id was never given to a job, and is not looked for.
    snapshot = visible(await watch.get(job_id) if JOB_ID.fullmatch(job_id) else None)
    if snapshot is None:
        raise no_such_job()
    return snapshot
