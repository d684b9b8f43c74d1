"""Every code that a problem may carry, with the page that its `type` leads to."""

from http import HTTPStatus
from typing import NamedTuple

from polling_api.api.submission import CODES as SUBMISSION_CODES
from polling_api.api.submission.codes import Code as SubmissionCode


class Kind(NamedTuple):
    """One kind of problem: the status it comes with, and what a newcomer should know and do."""

    status: HTTPStatus
    explanation: str


_BAD_REQUEST_CODES = {SubmissionCode.MALFORMED_JSON}
_TOO_LARGE_CODES = {SubmissionCode.BODY_TOO_LARGE}


def _status_of(code: str) -> HTTPStatus:
    if code in _BAD_REQUEST_CODES:
        return HTTPStatus.BAD_REQUEST
    if code in _TOO_LARGE_CODES:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return HTTPStatus.UNPROCESSABLE_ENTITY


KINDS: dict[str, Kind] = {
    "bad_request": Kind(HTTPStatus.BAD_REQUEST, "The request cannot be read; the detail says which part of it."),
    "body_cut": Kind(
        HTTPStatus.BAD_REQUEST,
        "The connection ended before the whole body had come. Nothing was stored; send it again.",
    ),
    "anonymous_submit_disabled": Kind(
        HTTPStatus.FORBIDDEN,
        "This service is connected to a real provider, whose work costs money, so it takes jobs from its "
        "clients alone. The operator may allow unsigned submits with POLLING_ANONYMOUS_SUBMIT=true.",
    ),
    "job_not_found": Kind(
        HTTPStatus.NOT_FOUND,
        "There is no such job, or it is not yours: both are answered alike, so that ids cannot be tried out. Ids are "
        "`job_` and 32 hexadecimal digits in lower case.",
    ),
    "not_found": Kind(HTTPStatus.NOT_FOUND, "Nothing is at this address. `/docs` lists what there is."),
    "method_not_allowed": Kind(
        HTTPStatus.METHOD_NOT_ALLOWED, "The address exists, and knows other methods: `Allow` names them."
    ),
    "results_not_ready": Kind(
        HTTPStatus.CONFLICT,
        "The job has not ended, so its results are not complete. Wait for the end (a long poll with "
        "`?wait=30&until=terminal`, or the event stream) and ask again; `Retry-After` says when that may be worth it.",
    ),
    "results_expired": Kind(
        HTTPStatus.GONE, "Results are kept for some time after the end (`results_expire_at`), and were then deleted."
    ),
    "unsupported_media_type": Kind(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "A batch is sent as `application/json`, or as `application/x-ndjson` with one request a line.",
    ),
    "draining": Kind(
        HTTPStatus.SERVICE_UNAVAILABLE, "This process is about to stop. Connect again: another one answers."
    ),
    "unavailable": Kind(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "A part that this request needs does not answer at the moment. Nothing was lost; ask again after "
        "`Retry-After`.",
    ),
    "internal": Kind(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Something went wrong on our side. Please tell the operator the `correlation_id`: it is in every log line.",
    ),
    **{code: Kind(_status_of(code), explanation) for code, explanation in SUBMISSION_CODES.items()},
}
