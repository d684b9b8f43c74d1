"""`POST` of a list of jobs to be read in one call: each conditional, and all of them perhaps waited for."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from polling_api.api.admission import admission_of
from polling_api.api.answers import NO_STORE, VARY, Answer, oldest
from polling_api.api.batch_shapes import BatchGetDocument
from polling_api.api.bodies import read_body
from polling_api.api.checked import TRANSPORT
from polling_api.api.conditional import parse_condition
from polling_api.api.guard import note_missed
from polling_api.api.held import Holding, send_whole
from polling_api.api.held_list import HeldList
from polling_api.api.limits import PARTY
from polling_api.api.ownership import Ownership
from polling_api.api.problems import problem
from polling_api.api.wanted import Wanted
from polling_api.domain.caller import Scope as Needed
from polling_api.domain.fields import JOB, fields_of
from polling_api.errors import FieldError, Invalid, Unavailable
from polling_api.ratelimit import weight_of
from polling_api.representation import Form
from polling_api.watch import StatusWatch, Topic


async def asked_for(request: Request) -> BatchGetDocument:
    """The body of the call, and in the request's state as how many requests it counts.

    Raises:
        Invalid: it breaks a rule; all that are broken are named.
        BadRequest, TooLarge, Unsupported: as `read_body` does.
    """
    asked = await read_body(request, BatchGetDocument)
    fields = asked.fields or []
    errors = [FieldError(f"/fields/{fields.index(name)}", "no such field") for name in JOB.unknown_among(fields)]
    if errors:
        raise Invalid("A job has no such field.", errors=errors)
    request.state.weight = weight_of(len(asked.jobs))
    return asked


def weight(request: Request) -> int:
    """As how many requests a call counts whose body was read by `asked_for`."""
    return request.state.weight


class BatchGetEndpoint:
    """Answers with the present state of many jobs, or once there is news of them.

    Args:
        ownership: finds the jobs for whoever asks.
        watch: the snapshots.
        holding: counts the waits; however many jobs a call waits for, it is one.
        form: of the set this endpoint belongs to.
        max_wait: seconds; longer waits are cut to it.
    """

    def __init__(self, ownership: Ownership, watch: StatusWatch, holding: Holding, form: Form, max_wait: int) -> None:
        self._ownership = ownership
        self._watch = watch
        self._holding = holding
        self._form = form
        self._max_wait = max_wait

    def __call__(self, asked: BatchGetDocument) -> Response:
        """The answer to one call, which is made while it is sent."""
        return _Serving(self, asked)

    async def serve(self, asked: BatchGetDocument, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer, now or when there is news.

        Raises:
            Refused: the caller's token does not allow it for one of the jobs (`insufficient_scope`).
            TooMany, Unavailable: too much is held open already; or what is asked for cannot be said now.
        """
        caller = admission_of(scope).caller
        fields = None if asked.fields is None else fields_of(asked.fields)
        conditions = [(job.id, parse_condition(job.etag, None)) for job in asked.jobs]
        wanted = Wanted(conditions, asked.until, self._form._replace(fields=fields))
        held = HeldList(scope, send, is_news=wanted.is_news, answer=lambda waited: self._answer(wanted, waited, scope))
        wanted.topics = await self._ownership.follow_all(caller, wanted.ids, Needed.STATUS, held)
        try:
            note_missed(scope, wanted.unknown())
            await asyncio.gather(*(self._watch.at_least(*newer) for newer in wanted.newer().items()))
            granted = 0 if self._holding.draining else min(asked.wait, self._max_wait)
            if not granted or not wanted.begin():
                await send_whole(self._listed(wanted, 0), scope, send)
                return
            scope[TRANSPORT] = "wait"
            with self._holding.holds(held, "wait", scope[PARTY]) as hold:
                held.begin(granted, hold)
                self._holding.catch_up(held)
                await held.sending.until_gone(receive)
        finally:
            held.end()
            self._ownership.unfollow_all(wanted.topics, held)

    def _answer(self, wanted: Wanted, waited: int, scope: Scope) -> Answer:
        if (refusal := admission_of(scope).lapsed()) is not None:
            return problem(refusal, scope)
        if any(self._is_doubtful(topic) for topic in wanted.topics.values()):
            return problem(Unavailable("Nobody can say now whether the jobs changed.", retry_after=1), scope)
        return self._listed(wanted, waited)

    def _listed(self, wanted: Wanted, waited: int) -> Answer:
        body = wanted.body(waited)
        headers: Any = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), NO_STORE, VARY]
        return Answer(200, [*headers, *oldest(self._watch, wanted.topics.values())], body)

    def _is_doubtful(self, topic: Topic) -> bool:
        ended = topic.gone or (topic.snapshot is not None and topic.snapshot.job.terminal)
        return not ended and self._watch.live(topic.job_id) is None


class _Serving(Response):
    """Lets FastAPI send what the endpoint holds."""

    def __init__(self, endpoint: BatchGetEndpoint, asked: BatchGetDocument) -> None:
        super().__init__()
        self._endpoint = endpoint
        self._asked = asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._endpoint.serve(self._asked, scope, receive, send)
