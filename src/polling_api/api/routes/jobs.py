"""The addresses of a set of endpoints over jobs, and what the OpenAPI document says of each."""

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from sse_starlette import EventSourceResponse

from polling_api.api import documents, hot_signatures
from polling_api.api.addresses import ONE_JOB
from polling_api.api.admission import Door, admission_of
from polling_api.api.batch_shapes import BatchGetDocument, BatchGetListDocument
from polling_api.api.checked import CheckedRoute, ReadingRoute, behind
from polling_api.api.forms import asked_fields
from polling_api.api.hot import HotEndpoint, HotRoute
from polling_api.api.limits import RouteLimiter
from polling_api.api.negotiation import EVENT_STREAM
from polling_api.api.parameters import (
    After,
    IdempotencyKey,
    Limit,
    PageLimit,
    Prefer,
    ResultFields,
    VersionFields,
    Wait,
)
from polling_api.api.routes.batch_get import BatchGetEndpoint, asked_for, weight
from polling_api.api.routes.cancel import CancelEndpoint
from polling_api.api.routes.deletion import DeleteEndpoint
from polling_api.api.routes.events import EventsEndpoint
from polling_api.api.routes.history import HistoryEndpoint
from polling_api.api.routes.many_events import ManyEventsEndpoint
from polling_api.api.routes.results import Asked, ResultsEndpoint
from polling_api.api.routes.status import StatusEndpoint
from polling_api.api.routes.submit import SubmitEndpoint
from polling_api.api.shapes import (
    HistoryDocument,
    JobDocument,
    JobId,
    PartialJobDocument,
    ResultListDocument,
)
from polling_api.api.submission_shapes import SubmittedJobDocument
from polling_api.domain.fields import RESULT
from polling_api.domain.job import Outcome

READ = ["GET", "HEAD"]


class JobsEndpoints(NamedTuple):
    """What answers the calls of one set."""

    submit: SubmitEndpoint
    status: StatusEndpoint
    events: EventsEndpoint
    many_events: ManyEventsEndpoint
    batch_get: BatchGetEndpoint
    history: HistoryEndpoint
    results: ResultsEndpoint
    cancel: CancelEndpoint
    delete: DeleteEndpoint


def jobs_router(base: str, endpoints: JobsEndpoints, door: Door, limiter: RouteLimiter) -> APIRouter:
    """The routes of one set of endpoints.

    Args:
        base: the set's path.
        endpoints: what answers.
        door: says who asks.
        limiter: of this set alone; slowapi tells routes apart by their names, which every set has.
    """
    router = APIRouter(prefix=base, tags=["jobs"], route_class=behind(door, CheckedRoute))
    _add_submit(router, endpoints.submit, limiter)
    _add_hot_reads(router, endpoints, door)
    _add_batch_get(router, endpoints.batch_get, door, limiter)
    _add_pages(router, endpoints, limiter)
    _add_endings(router, endpoints, limiter)
    return router


def _add_submit(router: APIRouter, submit: SubmitEndpoint, limiter: RouteLimiter) -> None:
    @router.post(
        "",
        status_code=202,
        response_model=SubmittedJobDocument,
        responses=documents.SUBMIT,
        openapi_extra=documents.SUBMISSION_BODY,
        summary="Submit a batch",
    )
    @limiter.hourly()
    async def submit_job(  # pyright: ignore[reportUnusedFunction]
        request: Request,
        wait: Wait = None,  # noqa: ARG001 - read by the endpoint, as for hot reads; named here to be documented
        prefer: Prefer = None,  # noqa: ARG001
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001
    ) -> Response:
        """Hand over a batch of requests, as JSON (up to 4 MB) or in the OpenAI batch input format, a request a line.

        The answer is `202` as soon as the job is stored; with a wait it is held until the job's end.
        """
        return await submit(request)


def _add_hot_reads(router: APIRouter, endpoints: JobsEndpoints, door: Door) -> None:
    hot = behind(door, HotRoute)
    router.add_api_route(
        "/events",
        HotEndpoint(endpoints.many_events, hot_signatures.many_events, EVENT_STREAM, "stream"),
        methods=READ,
        name="follow_jobs",
        responses=documents.MANY_EVENTS,
        summary="Follow many jobs",
        response_class=EventSourceResponse,
        route_class_override=hot,
    )
    router.add_api_route(
        ONE_JOB,
        HotEndpoint(endpoints.status, hot_signatures.status),
        methods=READ,
        name="read_job",
        response_model=JobDocument | PartialJobDocument,
        responses=documents.READ_STATUS,
        summary="Read a job's status, or wait for it",
        route_class_override=hot,
    )
    router.add_api_route(
        f"{ONE_JOB}/events",
        HotEndpoint(endpoints.events, hot_signatures.events, EVENT_STREAM, "stream"),
        methods=READ,
        name="follow_job",
        responses=documents.EVENTS,
        summary="Follow a job",
        response_class=EventSourceResponse,
        route_class_override=hot,
    )


def _add_batch_get(router: APIRouter, batch_get: BatchGetEndpoint, door: Door, limiter: RouteLimiter) -> None:
    @limiter.hourly(weight)
    async def read_jobs(
        request: Request,  # noqa: ARG001 - slowapi looks for it
        asked: Annotated[BatchGetDocument, Depends(asked_for)],
    ) -> Response:
        """The present state of up to 100 jobs, each with `304` in its place if it is as your `etag` says.

        With a wait it is one long poll for all of them: answered 25 ms after the first news, with what came until then,
        or when the time is over. It counts as one request for each 20 jobs begun.
        """
        return batch_get(asked)

    router.add_api_route(
        "/batch-get",
        read_jobs,
        methods=["POST"],
        response_model=BatchGetListDocument,
        responses=documents.BATCH_GET,
        openapi_extra=documents.BATCH_GET_BODY,
        summary="Read many jobs, or wait for them",
        route_class_override=behind(door, ReadingRoute),
    )


def _add_pages(router: APIRouter, endpoints: JobsEndpoints, limiter: RouteLimiter) -> None:
    @router.api_route(
        f"{ONE_JOB}/history",
        methods=READ,
        response_model=HistoryDocument,
        responses=documents.HISTORY,
        summary="Read a job's history",
    )
    @limiter.of_a_job()
    async def read_history(  # pyright: ignore[reportUnusedFunction]
        request: Request,
        job_id: JobId,
        fields: VersionFields = None,
        cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
        limit: Limit = 100,
    ) -> Response:
        """Every version of the job, in order, and when it was made; also of a job that has not ended."""
        admission = admission_of(request.scope)
        return await endpoints.history(admission, job_id, cursor=cursor, limit=limit, fields=fields)

    @router.api_route(
        f"{ONE_JOB}/results",
        methods=READ,
        response_model=ResultListDocument,
        responses=documents.RESULTS,
        summary="Read results",
    )
    @limiter.of_a_job()
    async def read_results(  # pyright: ignore[reportUnusedFunction]
        request: Request,
        job_id: JobId,
        after: After = None,
        limit: PageLimit = 100,
        outcome: Annotated[Outcome | None, Query(description="Only results with this one.")] = None,
        fields: ResultFields = None,
        if_none_match: Annotated[str | None, Header(description="The `ETag` of what you have.")] = None,  # noqa: ARG001 - read by the endpoint
    ) -> Response:
        """What became of each request, in the order of submission, once the job has ended.

        As `application/x-ndjson` all of it comes in one answer, a result a line, whatever `limit` says. Its last line
        is `{"object":"results.end","count":…}`; without that it was cut, and `after` with the last index you have
        brings the rest. A job that is deleted meanwhile ends it without that line.

        Responses are kept as the provider sent them. A picture in them (base64) is kept; of a link to one the link is,
        and the provider lets what it leads to expire: ask it for `b64_json` where that matters.
        """
        return await endpoints.results(
            request.scope, job_id, Asked(after, limit, outcome, asked_fields(RESULT, fields))
        )


def _add_endings(router: APIRouter, endpoints: JobsEndpoints, limiter: RouteLimiter) -> None:
    @router.post(
        f"{ONE_JOB}/cancel",
        status_code=202,
        response_model=JobDocument,
        responses=documents.CANCEL,
        summary="Cancel a job",
    )
    @limiter.of_a_job()
    async def cancel_job(request: Request, job_id: JobId) -> Response:  # pyright: ignore[reportUnusedFunction]
        """Ask for the job's end, as often as you like; what is done by then is kept, and told in the results.

        A job that has not been handed to the provider is `cancelled` at once. Any other is `cancelling` until the
        provider has confirmed, and may have succeeded by then.
        """
        return await endpoints.cancel(admission_of(request.scope), job_id)

    @router.delete(
        ONE_JOB, status_code=204, response_model=None, responses=documents.DELETE, summary="Delete a finished job"
    )
    @limiter.of_a_job()
    async def delete_job(request: Request, job_id: JobId) -> Response:  # pyright: ignore[reportUnusedFunction]
        """Delete a job that has ended, with its requests, results and history; nobody can bring it back."""
        return await endpoints.delete(admission_of(request.scope), job_id)
