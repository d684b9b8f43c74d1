"""Which dispatcher sends which delivery, and what it may write of it.

A lease is a `due_at` that was pushed out and the name of who did it, as with jobs (`leases`). What a dispatcher writes
is fenced by its name. Of one job and one place at most one delivery is on its way at a time, and no newer one is
claimed before an older one's lease is given back or has ended: that, and superseding (`outbox`), is the order in which
a place is told of a job.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy import (
    Float,
    Integer,
    Select,
    Text,
    bindparam,
    exists,
    func,
    literal,
    null,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import Job
from polling_api.domain.webhook import DeliveryStatus, EndpointStatus
from polling_api.store.arrays import Rows
from polling_api.store.clock import NOW, later
from polling_api.store.engine import statements
from polling_api.store.rows import AnyRow, job_from
from polling_api.store.tables import job_webhooks
from polling_api.store.tables import webhook_deliveries as deliveries
from polling_api.store.tables import webhook_endpoints as endpoints


@dataclass(frozen=True, slots=True)
class Waiting:
    """A lane in which deliveries wait, and how many of them are due, counted up to a bound."""

    lane: str
    due: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that the claimer now holds.

    Attributes:
        id: the `webhook-id`.
        lane: by which it was claimed.
        url: where it goes; None where nobody is to be told any more.
        present_lane: of where it goes.
        event: its type.
        endpoint_id: the endpoint; None for a job's own webhook.
        client_id: the owner; None where the job is public.
        job: the version that is told; None for a test.
        created_at: when that was.
        tries: attempts that failed so far.
        sealed: the secrets that sign, each sealed for `sealed_for`; the present one first.
        sealed_for: see above.
    """

    id: str
    lane: str
    url: str | None
    present_lane: str
    event: str
    endpoint_id: str | None
    client_id: str | None
    job: Job | None
    created_at: datetime
    tries: int
    sealed: Sequence[bytes] = field(repr=False)
    sealed_for: str


_PENDING = DeliveryStatus.PENDING.value
_MOMENTS = ("created_at", "updated_at", "started_at", "finished_at", "expires_at", "results_expire_at")

OWNER = bindparam("owner", type_=Text())


def _walking() -> Select[*tuple[Any, ...]]:
    """The lanes after one, in their order, by one look into the index each; and what is due in them."""
    waits = deliveries.c.status == _PENDING
    after = bindparam("after", type_=Text())
    first = select(func.min(deliveries.c.lane).label("lane"), literal(1).label("number")).where(
        waits, deliveries.c.lane > after
    )
    walk = first.cte("walk", recursive=True)
    following = select(func.min(deliveries.c.lane)).where(waits, deliveries.c.lane > walk.c.lane)
    walk = walk.union_all(
        select(following.scalar_subquery(), walk.c.number + 1).where(
            walk.c.lane.is_not(None), walk.c.number < bindparam("most", type_=Integer())
        )
    )
    some = (
        select(literal(1))
        .where(waits, deliveries.c.lane == walk.c.lane, deliveries.c.due_at <= NOW)
        .limit(bindparam("most_due", type_=Integer()))
        .correlate(walk)
        .subquery()
    )
    due = select(func.count()).select_from(some).scalar_subquery()
    return select(walk.c.lane, due.label("due")).where(walk.c.lane.is_not(None)).order_by(walk.c.lane)


_WALK = _walking()

_room = Rows("room", lane=Text(), most=Integer())


def _claiming() -> Select[*tuple[Any, ...]]:
    older = deliveries.alias("older")
    on_its_way = exists().where(
        older.c.job_id == deliveries.c.job_id,
        older.c.target == deliveries.c.target,
        older.c.version < deliveries.c.version,
        older.c.lease_owner.is_not(None),
        older.c.due_at > NOW,
    )
    chosen = (
        select(deliveries.c.id)
        .where(
            deliveries.c.lane == _room.c.lane,
            deliveries.c.status == _PENDING,
            deliveries.c.due_at <= NOW,
            ~on_its_way,
        )
        .order_by(deliveries.c.due_at)
        .limit(_room.c.most)
        .with_for_update(of=deliveries, skip_locked=True)
        .lateral("chosen")
    )
    due = select(chosen.c.id).select_from(_room.table.join(chosen, true())).cte("due")
    taken = (
        update(deliveries)
        .where(deliveries.c.id == due.c.id)
        .values(due_at=later(NOW, bindparam("lease", type_=Float())), lease_owner=OWNER)
        .returning(deliveries)
        .cte("taken")
    )
    enabled = endpoints.c.status == EndpointStatus.ENABLED.value
    from_endpoint = taken.outerjoin(endpoints, (endpoints.c.id == taken.c.endpoint_id) & enabled)
    own = (job_webhooks.c.job_id == taken.c.target) & taken.c.endpoint_id.is_(null())
    told = own & job_webhooks.c.gone_at.is_(null())
    return select(
        *(taken.c[name] for name in ("id", "lane", "event", "endpoint_id", "client_id", "job", "created_at", "tries")),
        taken.c.target,
        func.coalesce(endpoints.c.url, job_webhooks.c.url).label("url"),
        func.coalesce(endpoints.c.lane, job_webhooks.c.lane, taken.c.lane).label("present_lane"),
        func.coalesce(endpoints.c.secret, job_webhooks.c.secret).label("secret"),
        endpoints.c.previous_secret,
        (endpoints.c.previous_until > NOW).label("previous_signs"),
    ).select_from(from_endpoint.outerjoin(job_webhooks, told))


_CLAIM = _claiming()


async def waiting(engine: AsyncEngine, *, after: str, most_lanes: int, most_due: int) -> list[Waiting]:
    """Look into the lanes in which anything waits, in their order, a bounded number.

    Args:
        engine: the primary's.
        after: the lane after which to begin; an empty one begins at the first.
        most_lanes: at most so many.
        most_due: what is due in one is counted up to this.

    Raises:
        Unavailable: the database did not answer.
    """
    async with statements(engine) as connection:
        rows = await connection.execute(_WALK, {"after": after, "most": most_lanes, "most_due": most_due})
        return [Waiting(row.lane, row.due) for row in rows]


async def claim(engine: AsyncEngine, owner: str, rooms: Iterable[tuple[str, int]], *, lease: float) -> list[Claimed]:
    """Take what has been due longest of some lanes; no two claimers ever get the same.

    Args:
        engine: the primary's.
        owner: the claimer's name, its own in all the world and at each start.
        rooms: lanes, and at most how many of each.
        lease: seconds for which nobody else finds them due.

    Raises:
        Unavailable: the database did not answer; what was claimed nevertheless is due again after `lease`.
    """
    async with statements(engine) as connection:
        rows = await connection.execute(_CLAIM, {"owner": owner, "lease": lease, **_room.bind(rooms)})
        return [_claimed(row) for row in rows]


def _claimed(row: AnyRow) -> Claimed:
    previous = [row.previous_secret] if row.previous_signs else []
    return Claimed(
        id=row.id,
        lane=row.lane,
        url=row.url,
        present_lane=row.present_lane,
        event=row.event,
        endpoint_id=row.endpoint_id,
        client_id=row.client_id,
        job=None if row.job is None else _job(row.job),
        created_at=row.created_at,
        tries=row.tries,
        sealed=[] if row.url is None else [row.secret, *previous],
        sealed_for=row.target,
    )


def _job(kept: dict[str, Any]) -> Job:
    """The version as it was written, from Postgres's own JSON of its row."""
    moments = {name: kept[name] and datetime.fromisoformat(kept[name]) for name in _MOMENTS}
    row: Any = SimpleNamespace(**{**kept, **moments})
    return job_from(row)
