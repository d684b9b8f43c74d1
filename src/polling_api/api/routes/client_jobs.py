"""The addresses of what is about all of a client's jobs, and what the OpenAPI document says of each."""

from collections.abc import Callable
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Header, Query, Request, Response
from sse_starlette import EventSourceResponse
from starlette.types import Receive, Scope, Send

from polling_api.api import documents
from polling_api.api.checked import CheckedRoute
from polling_api.api.hot import HotEndpoint, HotRoute
from polling_api.api.negotiation import EVENT_STREAM
from polling_api.api.routes.client_events import ClientEventsEndpoint
from polling_api.api.routes.jobs import READ, Limit
from polling_api.api.routes.listing import ListEndpoint
from polling_api.api.shapes import JobListDocument

ClientOf = Callable[[Scope], str]
"""Whose jobs a request is about; raises a `PollingError` where that is nobody's."""


class ClientJobsEndpoints(NamedTuple):
    """What answers the calls about all of a client's jobs."""

    listing: ListEndpoint
    events: ClientEventsEndpoint


async def _events_documentation(
    last_event_id: Annotated[
        str | None, Query(description="The id of the last event you have seen, where the header cannot be set.")
    ] = None,
    last_event_id_header: Annotated[
        str | None,
        Header(alias="Last-Event-ID", description="The id of the last event you have seen; EventSource sends it."),
    ] = None,
) -> None:
    """The versions of all your jobs as Server-Sent Events, also of those you submit later; without an end.

    First comes the present state of each job that has not ended, oldest first. The id of an event is a cursor: after a
    reconnect with it, to any node, every status since then comes in order, none twice, also of jobs that have ended
    meanwhile; progress in between may be skipped. A job that is deleted is told no more.
    """


def client_jobs_router(base: str, endpoints: ClientJobsEndpoints, client_of: ClientOf) -> APIRouter:
    """The routes about all of a client's jobs.

    Args:
        base: the set's path.
        endpoints: what answers.
        client_of: who asks.
    """
    router = APIRouter(prefix=base, tags=["jobs"], route_class=CheckedRoute)

    async def follow(scope: Scope, receive: Receive, send: Send) -> None:
        await endpoints.events(client_of(scope), scope, receive, send)

    @router.api_route(
        "", methods=READ, response_model=JobListDocument, responses=documents.LIST, summary="List your jobs"
    )
    async def list_jobs(  # pyright: ignore[reportUnusedFunction]
        request: Request,
        status: Annotated[
            list[str] | None, Query(description="Only these statuses: given several times, or divided by commas.")
        ] = None,
        created_after: Annotated[str | None, Query(description="Only jobs created later than this (RFC 3339).")] = None,
        cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
        limit: Limit = 100,
        if_none_match: Annotated[str | None, Header(description="The `ETag` of what you have seen.")] = None,  # noqa: ARG001 - documented here, read by the endpoint
    ) -> Response:
        """Your jobs, newest first: `200`, or `304` if you have seen this very page."""
        return await endpoints.listing(
            client_of(request.scope),
            request.scope,
            status=status or (),
            created_after=created_after,
            cursor=cursor,
            limit=limit,
        )

    router.add_api_route(
        "/events",
        HotEndpoint(follow, _events_documentation, EVENT_STREAM),
        methods=READ,
        name="follow_all_jobs",
        responses=documents.CLIENT_EVENTS,
        summary="Follow all your jobs",
        response_class=EventSourceResponse,
        route_class_override=HotRoute,
    )
    return router
