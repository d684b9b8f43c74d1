"""Answers to hot reads: status, headers and body, as plain values."""

import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from polling_api.api.codings import PLAIN, Accepted
from polling_api.domain.job import Job
from polling_api.representation import POLL_INTERVAL, Headers, Rendered, timestamp
from polling_api.watch import Remark, StatusWatch, Topic

VARY = (b"vary", b"Accept, Accept-Encoding, Authorization, Prefer, X-API-Version, Origin")
NO_STORE = (b"cache-control", b"no-store")
SERVED_FROM = (b"x-served-from", b"snapshot")


class Answer(NamedTuple):
    """A whole answer, ready to be sent."""

    status: int
    headers: Headers
    body: bytes = b""

    def messages(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The two ASGI messages that send it."""
        return (
            {"type": "http.response.start", "status": self.status, "headers": self.headers},
            {"type": "http.response.body", "body": self.body},
        )


def state(rendered: Rendered, *, granted: int | None, accepted: Accepted = PLAIN) -> Answer:
    """`200` with the job. `granted` is the wait in seconds, None where none was asked for."""
    described, body = rendered.sent(accepted.coding_of(len(rendered.body)))
    return Answer(200, [*described, *_frame(rendered, granted)], body)


def not_modified(rendered: Rendered, *, granted: int | None) -> Answer:
    """`304`: of the `200`'s headers those that a cache needs, and no others (RFC 9110, section 15.4.5)."""
    return Answer(304, [*rendered.validators, *_frame(rendered, granted)])


def remarked(answer: Answer, job: Job, remark: Remark) -> Answer:
    """The same answer about a job, with what its reader should know beside it."""
    headers = answer.headers
    if remark.strain is not None:
        pace = remark.strain.poll_after(job.poll_after)
        headers = [(name, b"%d" % pace if name == POLL_INTERVAL else value) for name, value in headers]
    return answer._replace(headers=[*headers, *remarks(remark)])


def remarks(remark: Remark) -> Headers:
    """A remark as headers.

    `Age` (RFC 9111, section 5.1) says how long ago the state was last confirmed here, and `X-State-Observed` when the
    provider last confirmed it.
    """
    told: Headers = []
    if remark.age is not None:
        told += [(b"age", b"%d" % remark.age), SERVED_FROM]
    if remark.strain is not None and (observed_at := timestamp(remark.strain.observed_at)) is not None:
        told.append((b"x-state-observed", observed_at.encode()))
    return told


def oldest(watch: StatusWatch, topics: Iterable[Topic]) -> Headers:
    """How old the oldest of several states is that may be old; nothing where none may be."""
    made = [watch.remark(topic.snapshot.job) for topic in topics if topic.snapshot]
    ages = [remark.age for remark in made if remark is not None and remark.age is not None]
    return remarks(Remark(max(ages))) if ages else []


def unfinished(rendered: Rendered) -> Headers:
    """When asking again is worth it, as a `202` says it (RFC 9110, section 10.2.3); nothing of a finished job."""
    return [] if rendered.job.terminal else [(b"retry-after", b"%d" % rendered.job.poll_after)]


def _frame(rendered: Rendered, granted: int | None) -> Headers:
    if granted is None:
        max_age = rendered.max_age(time.time())
        return [(b"cache-control", b"private, max-age=%d" % max_age), VARY]
    # A cache that reused a waited answer would make its client ask again at once, for ever.
    return [NO_STORE, VARY, (b"preference-applied", b"wait=%d" % granted)]
