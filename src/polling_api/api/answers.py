"""Answers to hot reads: status, headers and body, as plain values."""

import time
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from starlette.types import Message, Scope

from polling_api.api.codings import PLAIN, Accepted
from polling_api.api.header_lines import KeptHeaders
from polling_api.coding import Coding
from polling_api.domain.job import Job
from polling_api.representation import POLL_INTERVAL, Headers, Rendered, timestamp
from polling_api.watch import Remark, StatusWatch, Topic

# An ASGI extension of our own server's: a message that is an answer from its status to its body's last byte or, with
# `more_body`, to the end of its body's first part. It is written at once, with half of the calls, and what is equal in
# the heads of many answers is put together once.
WHOLE: Final = "polling.answer"
# Another: a message that ends an answer which is not whole, and its connection. Without it our server takes an answer
# that was broken off on purpose for an error of ours, and logs it as one.
CUT: Final = "polling.cut"
OUTER: Final = "outer"  # of such a message: the header lines that it is given on its way

MOST_KEPT = 32  # of one version in one form: waits are of whole seconds, and most are of the same few lengths

_NOT_MODIFIED = 304
VARY = (b"vary", b"Accept, Accept-Encoding, Authorization, Prefer, X-API-Version, Origin")
NO_STORE = (b"cache-control", b"no-store")
SERVED_FROM = (b"x-served-from", b"snapshot")


class Answer(NamedTuple):
    """A whole answer, ready to be sent."""

    status: int
    headers: Headers
    body: bytes = b""

    def messages(self, scope: Scope, *, more_body: bool = False) -> Sequence[Message]:
        """What answers a request with it: one message where the server takes whole answers, else ASGI's usual two.

        Args:
            scope: the request.
            more_body: whether further parts of the body follow.
        """
        status, headers, body = self
        if WHOLE in scope.get("extensions", ()):
            return ({"type": WHOLE, "status": status, "headers": headers, "body": body, "more_body": more_body},)
        return (
            {"type": "http.response.start", "status": status, "headers": headers},
            {"type": "http.response.body", "body": body, "more_body": more_body},
        )


def state(rendered: Rendered, *, granted: int | None, accepted: Accepted = PLAIN) -> Answer:
    """`200` with the job. `granted` is the wait in seconds, None where none was asked for."""
    coding = accepted.coding_of(len(rendered.body))
    return _kept(rendered, 200, granted, coding)


def not_modified(rendered: Rendered, *, granted: int | None) -> Answer:
    """`304`: of the `200`'s headers those that a cache needs, and no others (RFC 9110, section 15.4.5)."""
    return _kept(rendered, 304, granted)


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


def _kept(rendered: Rendered, status: int, granted: int | None, coding: Coding | None = None) -> Answer:
    """The answer about a version, kept for all who ask for it in the same way while it stays the same."""
    # A cache that reused a waited answer would make its client ask again at once, for ever.
    max_age = rendered.max_age(time.time()) if granted is None else None
    form = status, coding, granted
    kept_for, answer = rendered.answers.get(form, (None, None))
    if answer is None or kept_for != max_age:
        if max_age is None:
            answer = _of(rendered, status, coding, NO_STORE, VARY, (b"preference-applied", b"wait=%d" % granted))
        else:
            answer = _of(rendered, status, coding, (b"cache-control", b"private, max-age=%d" % max_age), VARY)
        answer = answer._replace(headers=KeptHeaders(answer.headers))
        if len(rendered.answers) < MOST_KEPT or form in rendered.answers:
            rendered.answers[form] = max_age, answer
    return answer


def _of(rendered: Rendered, status: int, coding: Coding | None, *headers: tuple[bytes, bytes]) -> Answer:
    if status == _NOT_MODIFIED:
        return Answer(status, [*rendered.validators, *headers])
    described, body = rendered.sent(coding)
    return Answer(status, [*described, *headers], body)
