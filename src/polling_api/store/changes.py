"""The next versions of many jobs, as one statement that is fenced by the version it was decided on."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    Boolean,
    ColumnElement,
    DateTime,
    Float,
    Integer,
    Select,
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
from polling_api.store.outbox import telling
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


def _writing(allowed: ColumnElement[bool], beside: Callable[[CTE], dict[str, Any]]) -> Select[Any]:
    """Write the changes whose jobs are `allowed` and still as they were, their transitions, and who is told of them.

    `beside` gives, from what is written, the columns that clients do not see.
    """
    # Locked in the order of ids, so that two writers cannot wait for each other; and stamped here, once a row,
    # since `finished_at` and the transition's time have to be the very `updated_at`.
    held = (
        select(func.greatest(CLOCK, just_after(jobs.c.updated_at)).label("at"), *_change.c)
        .select_from(_change.table.join(jobs, jobs.c.id == _change.c.job_id))
        .where(allowed, jobs.c.version == _change.c.from_version)
        .order_by(jobs.c.id)
        .with_for_update(of=jobs)
        .cte("held")
    )
    following = jobs.c.version + 1
    running = held.c.status == Status.IN_PROGRESS.value
    told = ("status", "completed", "failed", "expired", "cancelled", "error_code", "error_message")
    saved = (
        update(jobs)
        .where(jobs.c.id == held.c.job_id)
        .values(
            **{name: held.c[name] for name in (*told, "poll_after", "expires_at")},
            version=following,
            status_version=case((held.c.status == jobs.c.status, jobs.c.status_version), else_=following),
            updated_at=held.c["at"],
            started_at=func.coalesce(jobs.c.started_at, case((running, held.c["at"]))),
            finished_at=case((_ends(held), held.c["at"])),
            results_expire_at=case((_ends(held), later(held.c["at"], bindparam("keep", type_=Float())))),
            **beside(held),
        )
        .returning(*JOB)
        .cte("saved")
    )
    return select(saved).add_cte(version_of(saved), *telling(saved))


def _ends(held: CTE) -> ColumnElement[bool]:
    return held.c.status.in_(sorted(TERMINAL))


def _kept_by_its_monitor(held: CTE) -> dict[str, Any]:
    looks_again = held.c.next_look.is_not(null())
    return {
        "upstream_id": func.coalesce(held.c.upstream_id, jobs.c.upstream_id),
        "due_at": case((looks_again, later(NOW, held.c.next_look)), else_=jobs.c.due_at),
        "lease_owner": case((or_(looks_again, _ends(held)), null()), else_=jobs.c.lease_owner),
        "attempts": literal(0),
        "observed_at": case((held.c.observed, held.c["at"]), else_=jobs.c.observed_at),
    }


def _kept_by_a_caller(held: CTE) -> dict[str, Any]:
    # A monitor's lease stays its own: it finds that the job has gone on, or is told when it gives it back.
    return {
        "cancel_requested_at": held.c["at"],
        "due_at": case((jobs.c.lease_owner.is_(null()), NOW), else_=jobs.c.due_at),
        "lease_owner": case((_ends(held), null()), else_=jobs.c.lease_owner),
    }


SAVE = _writing(MINE, _kept_by_its_monitor)
"""What a monitor writes of the jobs it holds; answers the versions written.

Takes `owner`, `keep` (seconds from a job's end until its results expire) and what `bind` gives.
"""

CANCEL = _writing(jobs.c.finished_at.is_(null()), _kept_by_a_caller)
"""What a caller's cancel writes, whoever holds the jobs; answers the versions written.

Takes `keep` and what `bind` gives.
"""


def bind(changes: Iterable[Change]) -> dict[str, Any]:
    """The changes as parameters of `SAVE` and `CANCEL`."""
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
