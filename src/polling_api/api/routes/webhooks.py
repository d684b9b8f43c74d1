"""The addresses of webhook endpoints and deliveries, and what the OpenAPI document says of each."""

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Path, Query, Request, Response

from polling_api.api import webhook_documents as documents
from polling_api.api.addresses import ONE_DELIVERY
from polling_api.api.admission import Door
from polling_api.api.checked import CheckedRoute, behind
from polling_api.api.limits import RouteLimiter
from polling_api.api.parameters import IN_DIGITS, DeliveryFields, EndpointFields, Limit
from polling_api.api.routes.account import READ, PageCursor
from polling_api.api.routes.webhook_deliveries import WebhookDeliveriesEndpoint
from polling_api.api.routes.webhook_endpoints import WebhookEndpointsEndpoint
from polling_api.api.shapes import PartialDocument
from polling_api.api.webhook_shapes import (
    ENDPOINT_PATTERN,
    JOB_PATTERN,
    DeliveryDocument,
    DeliveryListDocument,
    EndpointDocument,
    EndpointListDocument,
    MadeEndpointDocument,
    ReplayedDocument,
)
from polling_api.domain.webhook import DeliveryStatus

ENDPOINTS = "/api/v1/webhook-endpoints"
DELIVERIES = "/api/v1/webhook-deliveries"

EndpointId = Annotated[str, Path(description="The endpoint's id: `whe_` and 32 hexadecimal digits.")]
DeliveryId = Annotated[str, Path(description="The delivery's id: `whd_` and 32 hexadecimal digits.")]
OfEndpoint = Annotated[str | None, Query(pattern=ENDPOINT_PATTERN, description="Only of this endpoint.")]
OfJob = Annotated[str | None, Query(pattern=JOB_PATTERN, description="Only of this job.")]
InStatus = Annotated[DeliveryStatus | None, Query(description="Only in this status; `dead` are the dead letters.")]
DeliveriesLimit = Annotated[
    int, Query(ge=1, le=100, description="At most so many: each comes with its attempts."), IN_DIGITS
]


class WebhookEndpoints(NamedTuple):
    """What answers the calls."""

    endpoints: WebhookEndpointsEndpoint
    deliveries: WebhookDeliveriesEndpoint


def webhooks_router(webhooks: WebhookEndpoints, door: Door, limiter: RouteLimiter) -> APIRouter:
    """The routes that clients alone may call.

    Args:
        webhooks: what answers.
        door: says who calls.
        limiter: of these routes alone.
    """
    router = APIRouter(tags=["webhooks"], route_class=behind(door, CheckedRoute))
    _add_reads(router, webhooks.endpoints, limiter)
    _add_changes(router, webhooks.endpoints, limiter)
    _add_deliveries(router, webhooks.deliveries, limiter)
    _add_replays(router, webhooks.deliveries, limiter)
    return router


def _add_reads(router: APIRouter, endpoint: WebhookEndpointsEndpoint, limiter: RouteLimiter) -> None:
    @router.api_route(
        ENDPOINTS,
        methods=READ,
        response_model=EndpointListDocument,
        responses=documents.ENDPOINTS,
        summary="List webhook endpoints",
    )
    @limiter.hourly()
    async def list_webhook_endpoints(  # pyright: ignore[reportUnusedFunction]
        request: Request, fields: EndpointFields = None, cursor: PageCursor = None, limit: Limit = 100
    ) -> Response:
        """The client's webhook endpoints, the newest first."""
        return await endpoint.list(request, cursor, limit, fields=fields)

    @router.api_route(
        f"{ENDPOINTS}/{{endpoint_id}}",
        methods=READ,
        response_model=EndpointDocument | PartialDocument,
        responses=documents.ENDPOINT,
        summary="Read a webhook endpoint",
    )
    @limiter.hourly()
    async def read_webhook_endpoint(  # pyright: ignore[reportUnusedFunction]
        request: Request, endpoint_id: EndpointId, fields: EndpointFields = None
    ) -> Response:
        """An endpoint, whether it is enabled, and since when it fails."""
        return await endpoint.show(request, endpoint_id, fields=fields)

    @router.post(
        ENDPOINTS,
        status_code=201,
        response_model=MadeEndpointDocument,
        responses=documents.MADE_ENDPOINT,
        openapi_extra=documents.NEW_ENDPOINT_BODY,
        summary="Make a webhook endpoint",
    )
    @limiter.hourly()
    async def create_webhook_endpoint(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        """Have a place told of all jobs of the client's, by messages that any Standard Webhooks library verifies."""
        return await endpoint.create(request)


def _add_changes(router: APIRouter, endpoint: WebhookEndpointsEndpoint, limiter: RouteLimiter) -> None:
    @router.patch(
        f"{ENDPOINTS}/{{endpoint_id}}",
        response_model=EndpointDocument,
        responses=documents.CHANGED_ENDPOINT,
        openapi_extra=documents.CHANGED_ENDPOINT_BODY,
        summary="Change a webhook endpoint",
    )
    @limiter.hourly()
    async def change_webhook_endpoint(  # pyright: ignore[reportUnusedFunction]
        request: Request, endpoint_id: EndpointId
    ) -> Response:
        """Give an endpoint another address or other events, disable it, or enable it again."""
        return await endpoint.change(request, endpoint_id)

    @router.delete(
        f"{ENDPOINTS}/{{endpoint_id}}",
        status_code=204,
        response_model=None,
        responses=documents.DELETED_ENDPOINT,
        summary="Delete a webhook endpoint",
    )
    @limiter.hourly()
    async def delete_webhook_endpoint(  # pyright: ignore[reportUnusedFunction]
        request: Request, endpoint_id: EndpointId
    ) -> Response:
        """Delete an endpoint; what was still to be told it is given up."""
        return await endpoint.remove(request, endpoint_id)

    @router.post(
        f"{ENDPOINTS}/{{endpoint_id}}/rotate-secret",
        status_code=201,
        response_model=MadeEndpointDocument,
        responses=documents.ROTATED_SECRET,
        openapi_extra=documents.ROTATION_BODY,
        summary="Replace a webhook secret",
    )
    @limiter.hourly()
    async def rotate_webhook_secret(  # pyright: ignore[reportUnusedFunction]
        request: Request, endpoint_id: EndpointId
    ) -> Response:
        """Have a new secret sign; until the overlap is over the old one does too, in a second signature."""
        return await endpoint.rotate(request, endpoint_id)

    @router.post(
        f"{ENDPOINTS}/{{endpoint_id}}/test",
        status_code=202,
        response_model=DeliveryDocument,
        responses=documents.TESTED,
        summary="Test a webhook endpoint",
    )
    @limiter.hourly()
    async def test_webhook_endpoint(  # pyright: ignore[reportUnusedFunction]
        request: Request, endpoint_id: EndpointId
    ) -> Response:
        """Send an endpoint a message of type `webhook.test`."""
        return await endpoint.test(request, endpoint_id)


def _add_deliveries(router: APIRouter, endpoint: WebhookDeliveriesEndpoint, limiter: RouteLimiter) -> None:
    @router.api_route(
        DELIVERIES,
        methods=READ,
        response_model=DeliveryListDocument,
        responses=documents.DELIVERIES,
        summary="List webhook deliveries",
    )
    @limiter.hourly()
    async def list_webhook_deliveries(  # pyright: ignore[reportUnusedFunction]
        request: Request,
        endpoint_id: OfEndpoint = None,
        job_id: OfJob = None,
        status: InStatus = None,
        fields: DeliveryFields = None,
        cursor: PageCursor = None,
        limit: DeliveriesLimit = 100,
    ) -> Response:
        """What was told of the client's jobs, or is to be, the newest first, with every attempt."""
        return await endpoint.list(
            request,
            endpoint_id=endpoint_id,
            job_id=job_id,
            status=status,
            fields=fields,
            cursor=cursor,
            limit=limit,
        )

    @router.api_route(
        f"{DELIVERIES}{ONE_DELIVERY}",
        methods=READ,
        response_model=DeliveryDocument | PartialDocument,
        responses=documents.DELIVERY,
        summary="Read a webhook delivery",
    )
    @limiter.hourly()
    async def read_webhook_delivery(  # pyright: ignore[reportUnusedFunction]
        request: Request, delivery_id: DeliveryId, fields: DeliveryFields = None
    ) -> Response:
        """A delivery with its attempts: when, with what answer, and how long it took."""
        return await endpoint.show(request, delivery_id, fields=fields)


def _add_replays(router: APIRouter, endpoint: WebhookDeliveriesEndpoint, limiter: RouteLimiter) -> None:
    @router.post(
        f"{DELIVERIES}/replay",
        status_code=202,
        response_model=ReplayedDocument,
        responses=documents.REPLAYED_MANY,
        openapi_extra=documents.REPLAY_BODY,
        summary="Send dead letters again",
    )
    @limiter.hourly()
    async def replay_webhook_deliveries(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        """Send dead letters again, the oldest first, up to 1,000 of them.

        Those of disabled endpoints, and those that a newer version of their job has taken the place of, are passed
        over.
        """
        return await endpoint.replay_dead(request)

    @router.post(
        f"{DELIVERIES}{ONE_DELIVERY}/replay",
        status_code=202,
        response_model=DeliveryDocument,
        responses=documents.REPLAYED,
        summary="Send a webhook delivery again",
    )
    @limiter.hourly()
    async def replay_webhook_delivery(  # pyright: ignore[reportUnusedFunction]
        request: Request, delivery_id: DeliveryId
    ) -> Response:
        """Send a delivery again now, whatever became of it, with all its attempts before it."""
        return await endpoint.replay(request, delivery_id)
