"""From a row to the `Job` it stands for."""

from typing import Any

from sqlalchemy import CTE, Column, Row, insert, select

from polling_api.domain.job import Job, JobError, Progress, Status
from polling_api.store.tables import jobs, transitions

AnyRow = Row[*tuple[Any, ...]]
"""A row whose columns are told apart by name."""

JOB: tuple[Column[Any], ...] = tuple(
    column
    for column in jobs.columns
    if column.name
    not in {
        "deadline_at",
        "cancel_requested_at",
        "upstream_id",
        "due_at",
        "lease_owner",
        "attempts",
        "observed_at",
        "results_purged_at",
        "submitter",
    }
)
"""What makes up a job: the columns that no monitor keeps to itself."""

_VERSIONED = tuple(column.name for column in JOB if column.name in transitions.columns)

PAST_JOB: tuple[Column[Any], ...] = tuple(
    column if column is jobs.c.client_id else transitions.columns.get(column.name, column) for column in JOB
)
"""What makes up an earlier version: the versioned columns of `transitions`, the others of `jobs`.

Whose the job is, `jobs` says: versions from before they noted it would make a client's job look public.
"""


def version_of(written: CTE) -> CTE:
    """The row of `transitions` that goes with each row of `jobs` that `written` returns."""
    columns = {"job_id": written.c.id, **{name: written.c[name] for name in _VERSIONED}}
    return insert(transitions).from_select(list(columns), select(*columns.values())).cte("noted")


def job_from(row: AnyRow) -> Job:
    """Read a row that holds the columns `JOB`, or those of `PAST_JOB`."""
    return Job(
        id=row.id,
        version=row.version,
        status=Status(row.status),
        status_version=row.status_version,
        progress=Progress(row.total, row.completed, row.failed, row.expired, row.cancelled),
        endpoint=row.endpoint,
        provider=row.provider,
        created_at=row.created_at,
        updated_at=row.updated_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        expires_at=row.expires_at,
        results_expire_at=row.results_expire_at,
        error=error_from(row),
        metadata=row.metadata,
        client_id=row.client_id,
        poll_after=row.poll_after,
    )


def error_from(row: AnyRow) -> JobError | None:
    """Read the two columns of an error, if there is one."""
    if row.error_code is None:
        return None
    return JobError(row.error_code, row.error_message)


def storable(text: str | None) -> str | None:
    """Replace what Postgres refuses in text: NUL, and surrogates without their other half.

    A provider may send either, escaped in its JSON. One such character would fail the whole batch of rows it
    stands in, again at each try.
    """
    if text is None:
        return None
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
