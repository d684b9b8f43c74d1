"""`POST` of a batch: read, checked, stored in one transaction, told, and perhaps waited for."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from polling_api.api.answers import NO_STORE, VARY, Answer
from polling_api.api.held import Holding, send_whole
from polling_api.api.preferences import Until, preferred_wait, queried_wait
from polling_api.api.requests import header, query
from polling_api.api.submission import Draft, Rules, read_json, read_lines
from polling_api.api.waiting import HeldAnswer
from polling_api.domain.job import Job, new_job_id
from polling_api.errors import BadRequest, Refused, Unavailable, Unsupported
from polling_api.representation import Form, Headers, Snapshot
from polling_api.store.jobs import NewJob, NewRequest
from polling_api.watch import StatusWatch

FIRST_POLL_AFTER = 1  # seconds: a monitor takes a new job as soon as it hears of it

_READERS = {"application/json": read_json, "application/x-ndjson": read_lines}

Create = Callable[[NewJob, Iterable[NewRequest]], Awaitable[Job]]
Publish = Callable[[Sequence[Job]], Awaitable[None]]


class SubmitEndpoint:
    """Takes a batch.

    Args:
        create: stores a job with its requests in one transaction.
        publish: tells everybody of a committed version.
        watch: to wait for the end, where that is asked for.
        holding: counts the waits.
        form: of the set this endpoint belongs to.
        rules: what a submission is held to.
        provider: the name that jobs carry.
        anonymous: whether unsigned callers may submit.
        max_wait: seconds; longer waits are cut to it.
    """

    def __init__(
        self,
        *,
        create: Create,
        publish: Publish,
        watch: StatusWatch,
        holding: Holding,
        form: Form,
        rules: Rules,
        provider: str,
        anonymous: bool,
        max_wait: int,
    ) -> None:
        self._create = create
        self._publish = publish
        self._watch = watch
        self._holding = holding
        self._form = form
        self._rules = rules
        self._provider = provider
        self._anonymous = anonymous
        self._max_wait = max_wait

    async def __call__(self, request: Request) -> Response:
        """Serve one request; a refused one leaves nothing behind."""
        if not self._anonymous:
            raise Refused(
                "This service hands jobs to a real provider and takes them from its clients alone.",
                code="anonymous_submit_disabled",
            )
        wait = self._wait_of(request.scope)
        with await self._draft(request) as draft:
            job = await self._create(self._new_job(draft), (NewRequest(*one) for one in draft.requests()))
        await self._publish([job])
        return _Submitted(self, job, wait)

    async def serve(self, job: Job, wait: int | None, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer to a submit that was stored, now or at the job's end."""
        if not wait or self._holding.draining:
            await send_whole(self._answer(Snapshot(job), wait and 0), send)
            return
        scope["polling.transport"] = "wait"

        def answer(present: Snapshot | None) -> Answer:
            return self._answer(present or Snapshot(job), wait)

        held = HeldAnswer(send, reached=Until.TERMINAL.reached(job.version), answer=answer)
        try:
            topic = await self._watch.follow(job.id, held)
        except Unavailable:
            topic = None  # it is stored: whoever heard a refusal now would submit it again
        if topic is None:
            await send_whole(self._answer(Snapshot(job), wait), send)
            return
        try:
            with self._holding.holds(held, "wait"):
                held.begin(topic, wait)
                self._holding.catch_up(held)
                await held.sending.until_gone(receive)
        finally:
            held.end()
            self._watch.unfollow(topic, held)

    def _wait_of(self, scope: Scope) -> int | None:
        asked = queried_wait(query(scope).get("wait", []))
        if asked is None:
            asked = preferred_wait(header(scope, b"prefer") or "")
        return asked if asked is None else min(asked, self._max_wait)

    async def _draft(self, request: Request) -> Draft:
        media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
        reader = _READERS.get(media_type)
        if reader is None:
            named = f'"{media_type[:100]}"' if media_type else "without a Content-Type"
            raise Unsupported(f"A batch is sent as {' or '.join(_READERS)}, not {named}.")
        return await reader(_body(request), self._rules)

    def _new_job(self, draft: Draft) -> NewJob:
        return NewJob(
            id=new_job_id(),
            client_id=None,
            provider=self._provider,
            endpoint=draft.endpoint,
            metadata=draft.metadata,
            total=draft.total,
            expires_in=draft.expires_in,
            poll_after=FIRST_POLL_AFTER,
        )

    def _answer(self, snapshot: Snapshot, granted: int | None) -> Answer:
        rendered = snapshot.rendered(self._form)
        location = f"{self._form.base}/{snapshot.job.id}".encode()
        headers: Headers = [*rendered.described, NO_STORE, VARY, (b"location", location)]
        if granted is not None:
            headers.append((b"preference-applied", b"wait=%d" % granted))
        if snapshot.job.terminal:
            return Answer(200, headers, rendered.body)
        headers.append((b"retry-after", b"%d" % snapshot.job.poll_after))
        return Answer(202, headers, rendered.body)


class _Submitted(Response):
    """Lets FastAPI send what the endpoint holds until the job's end."""

    def __init__(self, endpoint: SubmitEndpoint, job: Job, wait: int | None) -> None:
        super().__init__(status_code=202)
        self._endpoint = endpoint
        self._job = job
        self._wait = wait

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._endpoint.serve(self._job, self._wait, scope, receive, send)


async def _body(request: Request) -> AsyncGenerator[bytes]:
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect:
        raise BadRequest("The body ended before it was whole.", code="body_cut") from None
