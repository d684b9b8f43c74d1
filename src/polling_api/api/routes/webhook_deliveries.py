"""What the client that calls was told by webhooks, or is to be: listed, inspected, sent again."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response

from polling_api.api.answers import VARY
from polling_api.api.bodies import read_body
from polling_api.api.cursors import Cursors
from polling_api.api.forms import asked_fields, in_link, only
from polling_api.api.pages import page_of, place_in
from polling_api.api.positions import identifier_of, microseconds, moment_of, numbers_of
from polling_api.api.routes.keys import entry_by_signer, signer_of
from polling_api.api.webhook_shapes import ReplayDocument
from polling_api.domain.audit import Entry
from polling_api.domain.fields import DELIVERY
from polling_api.domain.webhook import DELIVERY_ID, DeliveryStatus
from polling_api.errors import NotFound
from polling_api.representation import timestamp
from polling_api.store.keys import Place
from polling_api.store.webhook_deliveries import Asked, DeliveryRow
from polling_api.store.webhook_replays import Replayed


class Page(Protocol):
    """Reads deliveries."""

    def __call__(self, asked: Asked, *, after: Place | None, limit: int) -> Awaitable[Sequence[DeliveryRow]]:
        """See `store.webhook_deliveries.page`."""
        ...


class Replay(Protocol):
    """Sends a delivery again."""

    def __call__(self, client_id: str, delivery_id: str, *, entry: Entry) -> Awaitable[DeliveryRow]:
        """See `store.webhook_replays.replay`."""
        ...


class ReplayDead(Protocol):
    """Sends dead letters again."""

    def __call__(
        self, asked: Asked, *, created_after: datetime | None, created_before: datetime | None, entry: Entry
    ) -> Awaitable[Replayed]:
        """See `store.webhook_replays.replay_dead`."""
        ...


class DeliveryCalls(NamedTuple):
    """What the store does with deliveries; `find` takes the client and the delivery."""

    page: Page
    find: Callable[[str, str], Awaitable[DeliveryRow]]
    replay: Replay
    replay_dead: ReplayDead


class WebhookDeliveriesEndpoint:
    """Shows the deliveries of the client that calls.

    Args:
        calls: the store's.
        base: the path of the list.
        cursors: by which pages follow one another.
    """

    def __init__(self, calls: DeliveryCalls, base: str, cursors: Cursors) -> None:
        self._calls = calls
        self._base = base
        self._cursors = cursors

    async def list(
        self,
        request: Request,
        *,
        endpoint_id: str | None,
        job_id: str | None,
        status: DeliveryStatus | None,
        fields: str | None,
        cursor: str | None,
        limit: int,
    ) -> Response:
        """Answer with a page of deliveries, the newest first, with their attempts."""
        client_id, _ = signer_of(request)
        wanted = asked_fields(DELIVERY, fields)
        filters = {"endpoint_id": endpoint_id, "job_id": job_id, "status": status and status.value}
        given = {name: value for name, value in filters.items() if value is not None}
        words = [f"{name}={value}" for name, value in given.items()]
        cursors = self._cursors.bound_to("webhook deliveries", client_id, *words)
        numbers = place_in(cursor, cursors)
        asked = Asked(client_id=client_id, endpoint_id=endpoint_id, job_id=job_id, status=status)
        after = None if numbers is None else _place_of(numbers)
        return page_of(
            self._base,
            await self._calls.page(asked, after=after, limit=limit + 1),
            limit,
            shown=only(delivery_document, wanted),
            parameter="cursor",
            place=lambda one: cursors.at([microseconds(one.created_at), *numbers_of(one.id)]),
            also=given | in_link(wanted),
        )

    async def show(self, request: Request, delivery_id: str, *, fields: str | None) -> Response:
        """Answer with one delivery, and every attempt that is kept of it."""
        client_id, _ = signer_of(request)
        shown = only(delivery_document, asked_fields(DELIVERY, fields))
        return answered(shown(await self._calls.find(client_id, _delivery_id(delivery_id))))

    async def replay(self, request: Request, delivery_id: str) -> Response:
        """Send a delivery again, under the id it always had."""
        client_id, _ = signer_of(request)
        entry = entry_by_signer(request, "webhook_delivery.replay")
        return answered(
            delivery_document(await self._calls.replay(client_id, _delivery_id(delivery_id), entry=entry)), 202
        )

    async def replay_dead(self, request: Request) -> Response:
        """Send dead letters again: a range, all of an endpoint or of a job, or all."""
        client_id, _ = signer_of(request)
        asked = await read_body(request, ReplayDocument)
        replayed = await self._calls.replay_dead(
            Asked(client_id=client_id, endpoint_id=asked.endpoint_id, job_id=asked.job_id),
            created_after=asked.created_after,
            created_before=asked.created_before,
            entry=entry_by_signer(request, "webhook_delivery.replay"),
        )
        return answered({"object": "webhook_replay", "replayed": replayed.count, "has_more": replayed.more}, 202)


def delivery_document(delivery: DeliveryRow) -> dict[str, Any]:
    """The contract's webhook delivery, and when it was made."""
    return {
        "object": "webhook_delivery",
        "id": delivery.id,
        "endpoint_id": delivery.endpoint_id,
        "job_id": delivery.job_id,
        "version": delivery.version,
        "event": delivery.event,
        "status": delivery.status,
        "created_at": timestamp(delivery.created_at),
        "next_attempt_at": timestamp(delivery.next_attempt_at),
        "attempts": [
            {
                "at": timestamp(attempt.at),
                "status_code": attempt.status_code,
                "duration_ms": attempt.duration_ms,
                "error": attempt.error,
                "body": attempt.body,
            }
            for attempt in delivery.attempts
        ],
    }


def answered(document: dict[str, Any], status: int = 200) -> Response:
    """A document that no cache keeps."""
    headers = {"cache-control": "no-store", "vary": VARY[1].decode()}
    return Response(orjson.dumps(document), status, headers=headers, media_type="application/json")


def _delivery_id(text: str) -> str:
    """The id of a delivery in a path; what is none was never given to one."""
    if not DELIVERY_ID.fullmatch(text):
        raise NotFound("There is no such webhook delivery.", code="delivery_not_found")
    return text


def _place_of(numbers: list[int]) -> Place:
    created_at, *halves = numbers
    return Place(moment_of(created_at), identifier_of("whd", *halves))
