"""Where clients are told of their jobs: endpoints as their owners see them, made, changed, deleted, listed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    Text,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.audit import Entry
from polling_api.domain.webhook import DisabledBecause, EndpointStatus
from polling_api.errors import Conflict, NotFound
from polling_api.store.audit import add_beside
from polling_api.store.clock import NOW, later
from polling_api.store.engine import statements, transaction
from polling_api.store.key_rows import keys_of
from polling_api.store.keys import Place
from polling_api.store.tables import webhook_endpoints as endpoints

MOST_ENDPOINTS = 50  # of a client: each is asked for at every change of one of its jobs


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint to be made, as `domain.webhook` has checked it; `sealed` is its secret, sealed for its id."""

    id: str
    url: str
    lane: str
    events: Sequence[str]
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """What may be told of an endpoint."""

    id: str
    client_id: str
    url: str
    events: Sequence[str]
    status: EndpointStatus
    disabled_because: DisabledBecause | None
    created_at: datetime
    failing_since: datetime | None


@dataclass(frozen=True, slots=True)
class Changed:
    """What is to become of an endpoint; None leaves a thing as it is."""

    url: str | None = None
    lane: str | None = None
    events: Sequence[str] | None = None
    status: EndpointStatus | None = None


_TOLD = tuple(endpoints.c[name] for name in EndpointRow.__dataclass_fields__)

_id, _client_id = bindparam("endpoint_id", type_=Text()), bindparam("owner_id", type_=Text())
_of_owner = (endpoints.c.id == _id, endpoints.c.client_id == _client_id)
_given = {
    name: bindparam(f"given_{name}", type_=kind)
    for name, kind in {"url": Text(), "lane": Text(), "events": ARRAY(Text()), "status": Text()}.items()
}
_sealed = bindparam("sealed", type_=LargeBinary())

_COUNT = select(func.count()).where(endpoints.c.client_id == _client_id)
_ADD = (
    insert(endpoints)
    .values(
        id=_id,
        client_id=_client_id,
        url=_given["url"],
        lane=_given["lane"],
        events=_given["events"],
        status=EndpointStatus.ENABLED.value,
        secret=_sealed,
        created_at=NOW,
    )
    .returning(*_TOLD)
)
_status = func.coalesce(_given["status"], endpoints.c.status)
_CHANGE = (
    update(endpoints)
    .where(*_of_owner)
    .values(
        url=func.coalesce(_given["url"], endpoints.c.url),
        lane=func.coalesce(_given["lane"], endpoints.c.lane),
        events=func.coalesce(_given["events"], endpoints.c.events),
        status=_status,
        disabled_because=case(
            (_status == EndpointStatus.ENABLED.value, null()),
            else_=func.coalesce(endpoints.c.disabled_because, literal(DisabledBecause.OWNER.value)),
        ),
        # Of another place, or of one that is to be tried again, nothing is known yet.
        failing_since=case(
            (or_(_given["url"].is_not(None), _given["status"] == EndpointStatus.ENABLED.value), null()),
            else_=endpoints.c.failing_since,
        ),
    )
    .returning(*_TOLD)
)
_ROTATE = (
    update(endpoints)
    .where(*_of_owner)
    .values(
        previous_secret=endpoints.c.secret,
        previous_until=later(NOW, bindparam("overlap", type_=Float())),
        secret=_sealed,
    )
    .returning(*_TOLD)
)
_DELETE = delete(endpoints).where(*_of_owner).returning(endpoints.c.id)
_FIND = select(*_TOLD).where(*_of_owner)

_PAGE = (
    select(*_TOLD)
    .order_by(endpoints.c.created_at.desc(), endpoints.c.id.desc())
    .limit(bindparam("most", type_=Integer()))
)
_place = tuple_(bindparam("at", type_=DateTime(timezone=True)), bindparam("id", type_=Text()))


async def make(engine: AsyncEngine, client_id: str, new: NewEndpoint, *, entry: Entry) -> EndpointRow:
    """Make an endpoint for a client, and tell the audit log by `entry`, in one transaction.

    Raises:
        NotFound: there is no such client (`client_not_found`).
        Conflict: the client has as many as it may have (`too_many_endpoints`).
        Unavailable: it may or may not be made; nobody has its secret.
    """
    async with keys_of(engine, client_id) as connection:
        if (await connection.execute(_COUNT, {"owner_id": client_id})).scalar_one() >= MOST_ENDPOINTS:
            raise Conflict(
                f"The client has {MOST_ENDPOINTS} webhook endpoints, and more are not kept. Delete one.",
                code="too_many_endpoints",
            )
        values = {
            "endpoint_id": new.id,
            "owner_id": client_id,
            "given_url": new.url,
            "given_lane": new.lane,
            "given_events": list(new.events),
            "sealed": new.sealed,
        }
        row = (await connection.execute(_ADD, values)).one()
        await add_beside(connection, entry)
        return _endpoint(row)


async def change(engine: AsyncEngine, client_id: str, endpoint_id: str, to: Changed, *, entry: Entry) -> EndpointRow:
    """Change what is given of an endpoint; what is on its way to it already goes where it was to go.

    Raises:
        NotFound: the client has no such endpoint (`endpoint_not_found`).
        Unavailable: it may or may not be changed; doing it again does no harm.
    """
    values = {
        "endpoint_id": endpoint_id,
        "owner_id": client_id,
        "given_url": to.url,
        "given_lane": to.lane,
        "given_events": None if to.events is None else list(to.events),
        "given_status": None if to.status is None else to.status.value,
    }
    return _endpoint(await _written(engine, _CHANGE, values, entry))


async def rotate(
    engine: AsyncEngine, client_id: str, endpoint_id: str, sealed: bytes, *, overlap: float, entry: Entry
) -> EndpointRow:
    """Have another secret sign; the one before signs too for `overlap` seconds, and the one before that no more.

    Raises:
        NotFound: the client has no such endpoint (`endpoint_not_found`).
        Unavailable: it may or may not be done; then it can be asked for again.
    """
    values = {"endpoint_id": endpoint_id, "owner_id": client_id, "sealed": sealed, "overlap": overlap}
    return _endpoint(await _written(engine, _ROTATE, values, entry))


async def remove(engine: AsyncEngine, client_id: str, endpoint_id: str, *, entry: Entry) -> None:
    """Delete an endpoint. What it was still to be told is settled by the next dispatcher that takes it up.

    Raises:
        NotFound: the client has no such endpoint (`endpoint_not_found`).
        Unavailable: it may or may not be deleted.
    """
    await _written(engine, _DELETE, {"endpoint_id": endpoint_id, "owner_id": client_id}, entry)


async def find(engine: AsyncEngine, client_id: str, endpoint_id: str) -> EndpointRow:
    """Read an endpoint of a client.

    Raises:
        NotFound: the client has no such endpoint (`endpoint_not_found`).
        Unavailable: the database did not answer.
    """
    async with statements(engine) as connection:
        values = {"endpoint_id": endpoint_id, "owner_id": client_id}
        row = (await connection.execute(_FIND, values)).one_or_none()
    if row is None:
        raise no_endpoint()
    return _endpoint(row)


async def page(engine: AsyncEngine, client_id: str | None, *, after: Place | None, limit: int) -> list[EndpointRow]:
    """Read endpoints, the newest first.

    Args:
        engine: any; a replica may give less than the primary.
        client_id: of this client; None for all, as the operator sees them.
        after: where the page before ended; None for the first.
        limit: at most so many.

    Raises:
        Unavailable: the database did not answer.
    """
    query, parameters = _PAGE, dict[str, Any](most=limit)
    if client_id is not None:
        query, parameters["owner_id"] = query.where(endpoints.c.client_id == _client_id), client_id
    if after is not None:
        query = query.where(tuple_(endpoints.c.created_at, endpoints.c.id) < _place)
        parameters |= {"at": after.created_at, "id": after.id}
    async with statements(engine) as connection:
        return [_endpoint(row) for row in await connection.execute(query, parameters)]


def no_endpoint() -> NotFound:
    """What is said of an endpoint that is missing, or somebody else's."""
    return NotFound("There is no such webhook endpoint.", code="endpoint_not_found")


async def _written(engine: AsyncEngine, statement: Any, values: dict[str, Any], entry: Entry) -> Any:
    async with transaction(engine) as connection:
        row = (await connection.execute(statement, values)).one_or_none()
        if row is None:
            raise no_endpoint()
        await add_beside(connection, entry)
        return row


def _endpoint(row: Any) -> EndpointRow:
    because = row.disabled_because
    return EndpointRow(
        id=row.id,
        client_id=row.client_id,
        url=row.url,
        events=tuple(row.events),
        status=EndpointStatus(row.status),
        disabled_because=None if because is None else DisabledBecause(because),
        created_at=row.created_at,
        failing_since=row.failing_since,
    )
