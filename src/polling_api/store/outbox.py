"""What is to be told of a version, written by the statement that writes the version itself.

However many jobs change and however many endpoints are told, it stays one statement. A version that is told somewhere
supersedes what that place has not been told yet of the same job. One that is on its way there keeps its lease: until
that is given back, or ends, the newer one is not claimed (`webhook_leases`), so that nobody is told an older version
after a newer one. An end supersedes, and nothing comes after it.
"""

from sqlalchemy import (
    CTE,
    ColumnElement,
    Text,
    and_,
    any_,
    case,
    cast,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)

from polling_api.domain.webhook import DeliveryStatus, EndpointStatus, Topic
from polling_api.store.clock import CLOCK, NOW
from polling_api.store.tables import job_webhooks
from polling_api.store.tables import webhook_deliveries as deliveries
from polling_api.store.tables import webhook_endpoints as endpoints

_NEW_ID = literal("whd_") + func.replace(cast(func.gen_random_uuid(), Text()), "-", "")


def telling(written: CTE) -> tuple[CTE, ...]:
    """The deliveries that go with each row of `jobs` that `written` returns, and the end of those they supersede."""
    addressed = _addressed(written)
    return _noted(written, addressed), _superseded(addressed)


def _addressed(written: CTE) -> CTE:
    """Who is told of which version."""
    version = (written.c.id.label("job_id"), written.c.version)
    of_client = (
        select(*version, endpoints.c.id.label("endpoint_id"), endpoints.c.id.label("target"), endpoints.c.lane)
        .join_from(written, endpoints, endpoints.c.client_id == written.c.client_id)
        .where(endpoints.c.status == EndpointStatus.ENABLED.value, _asks_for(written, endpoints.c.events))
    )
    of_job = (
        select(*version, null().label("endpoint_id"), job_webhooks.c.job_id.label("target"), job_webhooks.c.lane)
        .join_from(written, job_webhooks, job_webhooks.c.job_id == written.c.id)
        .where(job_webhooks.c.gone_at.is_(null()), _asks_for(written, job_webhooks.c.events))
    )
    return of_client.union_all(of_job).cte("addressed")


def _asks_for(written: CTE, events: ColumnElement[list[str]]) -> ColumnElement[bool]:
    new_status = written.c.version == written.c.status_version
    return or_(_ended(written), and_(new_status, literal(Topic.STATUS.value) == any_(events)))


def _ended(written: CTE) -> ColumnElement[bool]:
    return written.c.finished_at.is_not(null())


def _noted(written: CTE, addressed: CTE) -> CTE:
    columns = {
        "id": _NEW_ID,
        "endpoint_id": addressed.c.endpoint_id,
        "target": addressed.c.target,
        "client_id": written.c.client_id,
        "lane": addressed.c.lane,
        "job_id": addressed.c.job_id,
        "version": addressed.c.version,
        "event": literal("job.") + written.c.status,
        "terminal": _ended(written),
        "job": func.row_to_json(written.table_valued()),
        "created_at": written.c.updated_at,
        "status": literal(DeliveryStatus.PENDING.value),
        "due_at": NOW,
        "tries": literal(0),
        "attempts": literal(0),
    }
    told = select(*columns.values()).join_from(addressed, written, written.c.id == addressed.c.job_id)
    return insert(deliveries).from_select(list(columns), told).cte("told")


def _superseded(addressed: CTE) -> CTE:
    # Locked in the order of ids, as by those who mark what came of deliveries: so none waits for another in a ring.
    older = (
        select(deliveries.c.id)
        .join_from(
            deliveries,
            addressed,
            and_(deliveries.c.job_id == addressed.c.job_id, deliveries.c.target == addressed.c.target),
        )
        .where(
            deliveries.c.version < addressed.c.version,
            deliveries.c.status == DeliveryStatus.PENDING.value,
            ~deliveries.c.terminal,
        )
        .order_by(deliveries.c.id)
        .with_for_update(of=deliveries)
        .cte("older")
    )
    on_its_way = deliveries.c.lease_owner.is_not(null())
    return (
        update(deliveries)
        .where(deliveries.c.id == older.c.id)
        .values(
            status=DeliveryStatus.SUPERSEDED.value,
            settled_at=CLOCK,
            due_at=case((on_its_way, deliveries.c.due_at), else_=null()),
        )
        .cte("superseded")
    )
