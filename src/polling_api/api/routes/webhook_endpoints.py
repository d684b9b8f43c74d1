"""The webhook endpoints of the client that calls: listed, made, changed, tested, deleted."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol

from starlette.requests import Request
from starlette.responses import Response

from polling_api.api.answers import NO_STORE, VARY, Answer
from polling_api.api.bodies import read_body
from polling_api.api.cursors import Cursors
from polling_api.api.forms import asked_fields, in_link, only
from polling_api.api.handlers import AnswerResponse
from polling_api.api.pages import page_of, place_in
from polling_api.api.positions import identifier_of, microseconds, moment_of, numbers_of
from polling_api.api.routes.keys import entry_by_signer, signer_of
from polling_api.api.routes.webhook_deliveries import answered, delivery_document
from polling_api.api.webhook_places import WebhookPlaces, lane_of
from polling_api.api.webhook_shapes import ChangedEndpointDocument, NewEndpointDocument, SecretRotationDocument
from polling_api.domain.audit import Entry
from polling_api.domain.fields import ENDPOINT
from polling_api.domain.webhook import ENDPOINT_ID, EndpointStatus, new_delivery_id, new_endpoint_id
from polling_api.errors import NotFound
from polling_api.representation import timestamp
from polling_api.signing.vault import Vault, new_secret
from polling_api.store.keys import Place
from polling_api.store.webhook_deliveries import DeliveryRow
from polling_api.store.webhook_endpoints import Changed, EndpointRow, NewEndpoint
from polling_api.webhooks.standard import secret_of


class Make(Protocol):
    """Makes an endpoint."""

    def __call__(self, client_id: str, new: NewEndpoint, *, entry: Entry) -> Awaitable[EndpointRow]:
        """See `store.webhook_endpoints.make`."""
        ...


class Change(Protocol):
    """Changes an endpoint."""

    def __call__(self, client_id: str, endpoint_id: str, to: Changed, *, entry: Entry) -> Awaitable[EndpointRow]:
        """See `store.webhook_endpoints.change`."""
        ...


class Rotate(Protocol):
    """Has another secret of an endpoint sign."""

    def __call__(
        self, client_id: str, endpoint_id: str, sealed: bytes, *, overlap: float, entry: Entry
    ) -> Awaitable[EndpointRow]:
        """See `store.webhook_endpoints.rotate`."""
        ...


class Remove(Protocol):
    """Deletes an endpoint."""

    def __call__(self, client_id: str, endpoint_id: str, *, entry: Entry) -> Awaitable[None]:
        """See `store.webhook_endpoints.remove`."""
        ...


class Page(Protocol):
    """Reads endpoints of a client."""

    def __call__(self, client_id: str, *, after: Place | None, limit: int) -> Awaitable[Sequence[EndpointRow]]:
        """See `store.webhook_endpoints.page`."""
        ...


class Test(Protocol):
    """Has an endpoint told something that is of no job."""

    def __call__(self, client_id: str, endpoint_id: str, delivery_id: str, *, entry: Entry) -> Awaitable[DeliveryRow]:
        """See `store.webhook_replays.test`."""
        ...


class EndpointCalls(NamedTuple):
    """What the store does with endpoints; `find` takes the client and the endpoint."""

    make: Make
    change: Change
    rotate: Rotate
    remove: Remove
    find: Callable[[str, str], Awaitable[EndpointRow]]
    page: Page
    test: Test


class WebhookEndpointsEndpoint:
    """Manages the webhook endpoints of the client that calls.

    Args:
        calls: the store's.
        vault: seals secrets.
        places: where messages may be sent.
        base: the path of the list.
        cursors: by which pages follow one another.
    """

    def __init__(self, calls: EndpointCalls, vault: Vault, places: WebhookPlaces, base: str, cursors: Cursors) -> None:
        self._calls = calls
        self._vault = vault
        self._places = places
        self._base = base
        self._cursors = cursors

    async def list(self, request: Request, cursor: str | None, limit: int, *, fields: str | None) -> Response:
        """Answer with a page of the client's endpoints, the newest first."""
        client_id, _ = signer_of(request)
        wanted = asked_fields(ENDPOINT, fields)
        cursors = self._cursors.bound_to("webhook endpoints", client_id)
        numbers = place_in(cursor, cursors)
        after = None if numbers is None else _place_of(numbers)
        return page_of(
            self._base,
            await self._calls.page(client_id, after=after, limit=limit + 1),
            limit,
            shown=only(endpoint_document, wanted),
            parameter="cursor",
            place=lambda one: cursors.at([microseconds(one.created_at), *numbers_of(one.id)]),
            also=in_link(wanted),
        )

    async def show(self, request: Request, endpoint_id: str, *, fields: str | None) -> Response:
        """Answer with one endpoint."""
        client_id, _ = signer_of(request)
        shown = only(endpoint_document, asked_fields(ENDPOINT, fields))
        return answered(shown(await self._calls.find(client_id, _endpoint_id(endpoint_id))))

    async def create(self, request: Request) -> Response:
        """Make an endpoint; its secret is told this once."""
        client_id, _ = signer_of(request)
        asked = await read_body(request, NewEndpointDocument)
        self._places.require(asked.url)
        endpoint_id, secret = new_endpoint_id(), new_secret()
        new = NewEndpoint(
            id=endpoint_id,
            url=asked.url,
            lane=lane_of(client_id, asked.url),
            events=_once(asked.events),
            sealed=self._vault.seal(endpoint_id, secret),
        )
        entry = entry_by_signer(request, "webhook_endpoint.create")
        return _made(await self._calls.make(client_id, new, entry=entry), secret)

    async def change(self, request: Request, endpoint_id: str) -> Response:
        """Change what is given of an endpoint."""
        client_id, _ = signer_of(request)
        asked = await read_body(request, ChangedEndpointDocument)
        if asked.url is not None:
            self._places.require(asked.url)
        to = Changed(
            url=asked.url,
            lane=None if asked.url is None else lane_of(client_id, asked.url),
            events=None if asked.events is None else _once(asked.events),
            status=None if asked.status is None else EndpointStatus(asked.status),
        )
        entry = entry_by_signer(request, "webhook_endpoint.change")
        changed = await self._calls.change(client_id, _endpoint_id(endpoint_id), to, entry=entry)
        return answered(endpoint_document(changed))

    async def rotate(self, request: Request, endpoint_id: str) -> Response:
        """Have another secret sign, which is told this once; the old one signs too until the overlap is over."""
        client_id, _ = signer_of(request)
        asked = await read_body(request, SecretRotationDocument)
        known, secret = _endpoint_id(endpoint_id), new_secret()
        row = await self._calls.rotate(
            client_id,
            known,
            self._vault.seal(known, secret),
            overlap=asked.overlap,
            entry=entry_by_signer(request, "webhook_endpoint.rotate"),
        )
        return _made(row, secret)

    async def remove(self, request: Request, endpoint_id: str) -> Response:
        """Delete an endpoint."""
        client_id, _ = signer_of(request)
        entry = entry_by_signer(request, "webhook_endpoint.delete")
        await self._calls.remove(client_id, _endpoint_id(endpoint_id), entry=entry)
        return AnswerResponse(Answer(204, [NO_STORE, VARY]))

    async def test(self, request: Request, endpoint_id: str) -> Response:
        """Tell an endpoint something that is of no job."""
        client_id, _ = signer_of(request)
        entry = entry_by_signer(request, "webhook_endpoint.test")
        told = await self._calls.test(client_id, _endpoint_id(endpoint_id), new_delivery_id(), entry=entry)
        return answered(delivery_document(told), 202)


def endpoint_document(endpoint: EndpointRow) -> dict[str, Any]:
    """The contract's webhook endpoint, and why and since when it is not well."""
    return {
        "object": "webhook_endpoint",
        "id": endpoint.id,
        "url": endpoint.url,
        "events": list(endpoint.events),
        "status": endpoint.status,
        "disabled_because": endpoint.disabled_because,
        "created_at": timestamp(endpoint.created_at),
        "failing_since": timestamp(endpoint.failing_since),
    }


def _made(endpoint: EndpointRow, secret: bytes) -> Response:
    return answered({**endpoint_document(endpoint), "secret": secret_of(secret)}, 201)


def _once(events: Sequence[str]) -> Sequence[str]:
    return tuple(dict.fromkeys(events))


def _endpoint_id(text: str) -> str:
    """The id of an endpoint in a path; what is none was never given to one."""
    if not ENDPOINT_ID.fullmatch(text):
        raise NotFound("There is no such webhook endpoint.", code="endpoint_not_found")
    return text


def _place_of(numbers: list[int]) -> Place:
    created_at, *halves = numbers
    return Place(moment_of(created_at), identifier_of("whe", *halves))
