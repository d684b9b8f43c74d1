"""The next versions of many jobs, as one statement that is fenced by lease and version."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Boolean,
    DateTime,
    Float,
    Integer,
    Text,
    bindparam,
    case,
    func,
    literal,
    null,
    or_,
    select,
    update,
)

from polling_api.domain.advance import Transition
from polling_api.domain.job import TERMINAL, Status
from polling_api.store.arrays import Rows
from polling_api.store.clock import CLOCK, NOW, just_after, later
from polling_api.store.rows import JOB, storable, version_of
from polling_api.store.tables import jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The next version of a job that the writer holds.

    Attributes:
        job_id: the job.
        from_version: the version on which `transition` was decided.
        transition: what the next version says.
        poll_after: seconds until a client's next poll is worth it.
        upstream_id: the provider's batch, where it was learnt just now.
        next_look: seconds until the job is due again, which ends the lease; None keeps it.
        observed: whether the provider itself said so just now.
    """

    job_id: str
    from_version: int
    transition: Transition
    poll_after: int
    upstream_id: str | None = None
    next_look: float | None = None
    observed: bool


OWNER = bindparam("owner", type_=Text())

MINE = (jobs.c.lease_owner == OWNER) & jobs.c.finished_at.is_(null())
"""The jobs that `owner` holds."""

_change = Rows(
    "change",
    job_id=Text(),
    from_version=Integer(),
    status=Text(),
    completed=Integer(),
    failed=Integer(),
    expired=Integer(),
    cancelled=Integer(),
    error_code=Text(),
    error_message=Text(),
    expires_at=DateTime(timezone=True),
    poll_after=Integer(),
    upstream_id=Text(),
    next_look=Float(),
    observed=Boolean(),
)
# Locked in the order of ids, so that two writers cannot wait for each other; and stamped here, once a row,
# since `finished_at` and the transition's time have to be the very `updated_at`.
_held = (
    select(func.greatest(CLOCK, just_after(jobs.c.updated_at)).label("at"), *_change.c)
    .select_from(_change.table.join(jobs, jobs.c.id == _change.c.job_id))
    .where(MINE, jobs.c.version == _change.c.from_version)
    .order_by(jobs.c.id)
    .with_for_update(of=jobs)
    .cte("held")
)
_next = jobs.c.version + 1
_ends = _held.c.status.in_(sorted(TERMINAL))
_looks_again = _held.c.next_look.is_not(null())
_saved = (
    update(jobs)
    .where(jobs.c.id == _held.c.job_id)
    .values(
        version=_next,
        status=_held.c.status,
        status_version=case((_held.c.status == jobs.c.status, jobs.c.status_version), else_=_next),
        completed=_held.c.completed,
        failed=_held.c.failed,
        expired=_held.c.expired,
        cancelled=_held.c.cancelled,
        error_code=_held.c.error_code,
        error_message=_held.c.error_message,
        poll_after=_held.c.poll_after,
        updated_at=_held.c["at"],
        started_at=func.coalesce(jobs.c.started_at, case((_held.c.status == Status.IN_PROGRESS.value, _held.c["at"]))),
        finished_at=case((_ends, _held.c["at"])),
        expires_at=_held.c.expires_at,
        results_expire_at=case((_ends, later(_held.c["at"], bindparam("keep", type_=Float())))),
        upstream_id=func.coalesce(_held.c.upstream_id, jobs.c.upstream_id),
        due_at=case((_looks_again, later(NOW, _held.c.next_look)), else_=jobs.c.due_at),
        lease_owner=case((or_(_looks_again, _ends), null()), else_=jobs.c.lease_owner),
        attempts=literal(0),
        observed_at=case((_held.c.observed, _held.c["at"]), else_=jobs.c.observed_at),
    )
    .returning(*JOB)
    .cte("saved")
)
SAVE = select(_saved).add_cte(version_of(_saved))
"""Write the changes that may be written, and their transitions; answers the versions written.

Takes `owner`, `keep` (seconds from a job's end until its results expire) and what `bind` gives.
"""


def bind(changes: Iterable[Change]) -> dict[str, Any]:
    """The changes as parameters of `SAVE`."""
    return _change.bind(map(_values_of, changes))


def _values_of(change: Change) -> tuple[Any, ...]:
    """A change in the order of `_change`'s columns."""
    transition = change.transition
    progress, error = transition.progress, transition.error
    return (
        change.job_id,
        change.from_version,
        transition.status.value,
        progress.completed,
        progress.failed,
        progress.expired,
        progress.cancelled,
        storable(error.code) if error else None,
        storable(error.message) if error else None,
        transition.expires_at,
        change.poll_after,
        change.upstream_id,
        change.next_look,
        change.observed,
    )
