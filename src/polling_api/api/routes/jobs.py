"""The simple set, `/api/v1/jobs`: its addresses, and what the OpenAPI document says of each."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from sse_starlette import EventSourceResponse

from polling_api.api import documents
from polling_api.api.hot import HotEndpoint, HotRoute
from polling_api.api.preferences import Until
from polling_api.api.routes.events import EventsEndpoint
from polling_api.api.routes.results import ResultsEndpoint
from polling_api.api.routes.status import StatusEndpoint
from polling_api.api.routes.submit import SubmitEndpoint
from polling_api.api.shapes import JobDocument, JobId, ResultListDocument

Wait = Annotated[
    int | None,
    Query(ge=0, description="Seconds to wait for a change, cut to 30. It wins over `Prefer: wait=N`."),
]
Prefer = Annotated[str | None, Header(description="`wait=N` (RFC 7240).", examples=["wait=30"])]


async def _status_documentation(
    job_id: JobId,
    wait: Wait = None,
    until: Annotated[Until, Query(description="What ends the wait.")] = Until.CHANGE,
    prefer: Prefer = None,
    if_none_match: Annotated[str | None, Header(description="The `ETag` of what you have seen.")] = None,
    if_modified_since: Annotated[str | None, Header(description="Its `Last-Modified`; `If-None-Match` wins.")] = None,
) -> None:
    """The job's present state: `200`, or `304` if you have seen it.

    With a wait it is a long poll: answered as soon as the job differs from your `ETag` (without one: at its next
    change), or when the time is over. A finished job never makes you wait. Keep the `ETag`, send it back, and ask
    again after `X-Poll-Interval` seconds.
    """


async def _events_documentation(
    job_id: JobId,
    last_event_id: Annotated[
        str | None, Query(description="The version you have seen, where the header cannot be set.")
    ] = None,
    last_event_id_header: Annotated[
        str | None, Header(alias="Last-Event-ID", description="The version you have seen; EventSource sends it.")
    ] = None,
) -> None:
    """The job's versions as Server-Sent Events, until its end.

    The first event is the present state. After a reconnect with `Last-Event-ID` every status since then comes in
    order, none twice; progress in between may be skipped. A comment comes every 15 s.
    """


def jobs_router(
    base: str, *, status: StatusEndpoint, events: EventsEndpoint, results: ResultsEndpoint, submit: SubmitEndpoint
) -> APIRouter:
    """The routes of one set of endpoints.

    Args:
        base: the set's path.
        status: answers for one job.
        events: streams one job.
        results: pages through results.
        submit: takes batches.
    """
    router = APIRouter(prefix=base, tags=["jobs"])

    @router.post(
        "",
        status_code=202,
        response_model=JobDocument,
        responses=documents.SUBMIT,
        openapi_extra=documents.SUBMISSION_BODY,
        summary="Submit a batch",
    )
    async def submit_job(  # pyright: ignore[reportUnusedFunction]
        request: Request,
        wait: Wait = None,  # noqa: ARG001 - read by the endpoint, as for hot reads; named here to be documented
        prefer: Prefer = None,  # noqa: ARG001
    ) -> Response:
        """Hand over a batch of requests, as JSON (up to 4 MB) or in the OpenAI batch input format, a request a line.

        The answer is `202` as soon as the job is stored; with a wait it is held until the job's end.
        """
        return await submit(request)

    @router.api_route(
        "/{job_id}/results",
        methods=["GET", "HEAD"],
        response_model=ResultListDocument,
        responses=documents.RESULTS,
        summary="Read results",
    )
    async def read_results(  # pyright: ignore[reportUnusedFunction]
        job_id: JobId,
        after: Annotated[int | None, Query(ge=0, le=2**31 - 1, description="The index after which to begin.")] = None,
        limit: Annotated[int, Query(ge=1, le=1000, description="At most so many.")] = 100,
    ) -> Response:
        """What became of each request, in the order of submission, once the job has ended."""
        return await results(job_id, after, limit)

    router.add_api_route(
        "/{job_id}",
        HotEndpoint(status, _status_documentation),
        methods=["GET", "HEAD"],
        name="read_job",
        response_model=JobDocument,
        responses=documents.READ_STATUS,
        summary="Read a job's status, or wait for it",
        route_class_override=HotRoute,
    )
    router.add_api_route(
        "/{job_id}/events",
        HotEndpoint(events, _events_documentation),
        methods=["GET", "HEAD"],
        name="follow_job",
        responses=documents.EVENTS,
        summary="Follow a job",
        response_class=EventSourceResponse,
        route_class_override=HotRoute,
    )
    return router
