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
    "bad_idempotency_key": Kind(
        HTTPStatus.BAD_REQUEST,
        "`Idempotency-Key` is one line of printable ASCII, at most 255 characters long. Who sends it unsigned shares "
        "the keys of all others who do, so there it has at least 22 characters: a UUID will do, and a new one for each "
        "job. The quoted form of the IETF draft and the plain one are the same key.",
    ),
    "bad_cursor": Kind(
        HTTPStatus.BAD_REQUEST,
        "The cursor was not given out by this list. Take `next_cursor` of the page before as it is, or begin again "
        "without one; a cursor is good for one list of one job.",
    ),
    "token_in_query": Kind(
        HTTPStatus.BAD_REQUEST,
        "An access token in the query (`?access_token=`) is taken on event streams alone, for browsers' EventSource, "
        "which cannot set headers. Everywhere else addresses end up in logs and histories, so it is sent as "
        "`Authorization: Bearer`.",
    ),
    "invalid_signature": Kind(
        HTTPStatus.UNAUTHORIZED,
        "The request is not signed as it has to be (RFC 9421, `hmac-sha256`), or its key is not good. The detail says "
        "which rule was broken, `Accept-Signature` what has to be covered. Each signature is good once, within 300 "
        "seconds of its `created`.",
    ),
    "invalid_token": Kind(
        HTTPStatus.UNAUTHORIZED,
        "The access token is none that was given out here, has expired, or has ended with the key that made it. Ask "
        "its client for another; a public job can be read without one.",
    ),
    "insufficient_scope": Kind(
        HTTPStatus.FORBIDDEN,
        "The access token names this job, and does not allow this: its scopes are among `status`, `events`, `results` "
        "and `cancel`. Deleting takes the client's own signature.",
    ),
    "origin_not_allowed": Kind(
        HTTPStatus.FORBIDDEN,
        "The request comes from a page of another site, and would change something. The operator lists the origins "
        "that may in POLLING_CORS_ORIGINS.",
    ),
    "key_not_found": Kind(
        HTTPStatus.NOT_FOUND, "There is no such key, or it is not of the client that asks: both are answered alike."
    ),
    "key_ended": Kind(
        HTTPStatus.CONFLICT, "The key has been revoked or has expired, so that it can neither make nor have successors."
    ),
    "too_many_keys": Kind(
        HTTPStatus.CONFLICT, "The client has as many good keys as it may have. End one that is not used any more."
    ),
    "endpoint_not_found": Kind(
        HTTPStatus.NOT_FOUND,
        "There is no such webhook endpoint, or it is not of the client that asks: both are answered alike.",
    ),
    "delivery_not_found": Kind(
        HTTPStatus.NOT_FOUND,
        "There is no such webhook delivery, or it is not of the client that asks: both are answered alike. Deliveries "
        "are kept for some time after they were made, or given up.",
    ),
    "too_many_endpoints": Kind(
        HTTPStatus.CONFLICT,
        "The client has as many webhook endpoints as it may have, each of which is told of all its jobs. Delete one.",
    ),
    "endpoint_disabled": Kind(
        HTTPStatus.CONFLICT,
        "Nobody is to be told any more: the webhook endpoint is disabled or deleted, or it answered 410. Enable it "
        '(`PATCH` with `{"status":"enabled"}`), and ask again.',
    ),
    "delivery_superseded": Kind(
        HTTPStatus.CONFLICT,
        "A newer version of the job was to be told there since, and nobody is told an older version after a newer "
        "one. Send the newer delivery again.",
    ),
    "anonymous_webhooks_disabled": Kind(
        HTTPStatus.FORBIDDEN,
        "Unsigned callers may not have this service send requests to addresses of their choice. Sign the submit, "
        "leave out `webhook`, or have the operator set POLLING_ANONYMOUS_WEBHOOKS=true.",
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
    "precondition_failed": Kind(
        HTTPStatus.PRECONDITION_FAILED,
        "`If-Match` names other results than these (RFC 9110, section 13.1.1). Each page, and each coding, has an "
        "entity tag of its own; leave the header out to have what there is.",
    ),
    "job_finished": Kind(
        HTTPStatus.CONFLICT,
        "The job has succeeded, failed or expired, so there is nothing left to cancel. A job that is being cancelled, "
        "or is cancelled, may be asked to end again.",
    ),
    "job_unfinished": Kind(
        HTTPStatus.CONFLICT,
        "Only a job that has ended can be deleted. Cancel it, wait for its end (`?wait=30&until=terminal`), and delete "
        "it then.",
    ),
    "idempotency_in_progress": Kind(
        HTTPStatus.CONFLICT,
        "The first submit with this `Idempotency-Key` is still being stored. Send the same again after `Retry-After`: "
        "it gives the job, or stores it if the first one failed.",
    ),
    "idempotency_key_reused": Kind(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "A submit with this `Idempotency-Key` had another body, or another media type. A key stands for one job for 24 "
        "hours; a further job needs a key of its own. Nothing was stored now.",
    ),
    "results_expired": Kind(
        HTTPStatus.GONE, "Results are kept for some time after the end (`results_expire_at`), and were then deleted."
    ),
    "unsupported_media_type": Kind(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "A batch is sent as `application/json`, or as `application/x-ndjson` with one request a line, and "
        "not compressed: "
        "`Content-Encoding` is not taken.",
    ),
    "not_acceptable": Kind(
        HTTPStatus.NOT_ACCEPTABLE,
        "`Accept` excludes every media type in which this answer is made, or `Accept-Encoding` every coding. JSON is "
        "`application/json`, event streams are `text/event-stream`; codings are gzip and zstd, and event streams and "
        "what is made or changed have none. A request without these fields gets what there is.",
    ),
    "misdirected_request": Kind(
        HTTPStatus.MISDIRECTED_REQUEST,
        "The request's `Host` is none that this service answers for, which keeps pages of other sites from reaching it "
        "under a name of theirs. The operator lists the hosts in POLLING_ALLOWED_HOSTS; by default they are "
        "POLLING_HOST "
        "and the names of the machine itself.",
    ),
    "request_timeout": Kind(
        HTTPStatus.REQUEST_TIMEOUT,
        "The request did not come to its end in time: its head is sent in one go, and its body without long pauses. "
        "Nothing was stored; send it again.",
    ),
    "rate_limited": Kind(
        HTTPStatus.TOO_MANY_REQUESTS,
        "More requests than your share: an hour's, or a minute's and ten seconds' for one job. After `Retry-After` "
        "seconds the same request is answered; `X-RateLimit-Remaining` says how many are left, and `X-Poll-Interval` "
        "when asking is worth it. A wait or a stream tells of changes sooner, for one request.",
    ),
    "blocked": Kind(
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many different ids that you do not have, or signatures that do not hold, came from you within a minute. "
        "You are shut out for `Retry-After` seconds, and each time twice as long, up to a day; a day without is "
        "forgiven. Streams that are open live on, and a signature that holds is not bound by its address.",
    ),
    "too_many_streams": Kind(
        HTTPStatus.TOO_MANY_REQUESTS,
        "You hold as many waits and streams open as one caller may. Close some, follow many jobs on one stream "
        "(`/events?ids=…`), or poll.",
    ),
    "too_many_uploads": Kind(
        HTTPStatus.TOO_MANY_REQUESTS,
        "The batches that you are sending at this moment are too large together. Send one after the other.",
    ),
    "too_many_jobs": Kind(
        HTTPStatus.TOO_MANY_REQUESTS,
        "Your address has as many unfinished jobs here as unsigned callers may have. Wait for one to end, cancel one, "
        "or sign your requests.",
    ),
    "target_too_long": Kind(
        HTTPStatus.REQUEST_URI_TOO_LONG, "The address with its query is longer than any that this service knows."
    ),
    "headers_too_large": Kind(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "The request's line and header fields take more than 32 KiB together. Often it is cookies, of which none are "
        "used here.",
    ),
    "not_implemented": Kind(
        HTTPStatus.NOT_IMPLEMENTED,
        "The request uses a method or a transfer coding that this service does not know. `chunked` is the "
        "only transfer "
        "coding; there is no CONNECT.",
    ),
    "version_not_supported": Kind(
        HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
        "This service speaks HTTP/1.1 and 1.0. A proxy can translate from others.",
    ),
    "draining": Kind(
        HTTPStatus.SERVICE_UNAVAILABLE, "This process is about to stop. Connect again: another one answers."
    ),
    "overloaded": Kind(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "This process holds or takes in as much as it can. Connect again after `Retry-After`: another one may answer.",
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
