"""`POST` of a batch: read, checked, stored in one transaction, told, and perhaps waited for."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from time import monotonic
from typing import NamedTuple, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from polling_api.api.admission import admission_of
from polling_api.api.answers import NO_STORE, VARY, Answer, remarked, unfinished
from polling_api.api.auditing import address_of
from polling_api.api.checked import TRANSPORT
from polling_api.api.held import Holding, send_whole
from polling_api.api.idempotency import SHORTEST_OF_ANYBODY, Fingerprint, idempotency_key
from polling_api.api.limits import PARTY
from polling_api.api.own_webhooks import OwnWebhooks
from polling_api.api.preferences import Until, preferred_wait, queried_wait
from polling_api.api.requests import header, header_lines, query
from polling_api.api.submission import Draft, Rules, read_json, read_lines
from polling_api.api.waiting import HeldAnswer
from polling_api.domain.job import Job, new_job_id
from polling_api.errors import BadRequest, Refused, TooMany, Unavailable, Unsupported
from polling_api.ratelimit import Uploads
from polling_api.ratelimit.uploads import Upload
from polling_api.representation import Form, Headers, Snapshot
from polling_api.resilience.turns import Turns
from polling_api.store.idempotency import Once
from polling_api.store.jobs import Created, NewJob, NewRequest
from polling_api.store.unfinished import Share
from polling_api.watch import StatusWatch

FIRST_POLL_AFTER = 1  # seconds: a monitor takes a new job as soon as it hears of it

_READERS = {"application/json": read_json, "application/x-ndjson": read_lines}

Publish = Callable[[Sequence[Job], float], Awaitable[None]]


class Create(Protocol):
    """Stores a job with its requests in one transaction, or finds the one that was stored under the same key."""

    def __call__(self, new: NewJob, new_requests: Iterable[NewRequest], /, *, once: Once | None) -> Awaitable[Created]:
        """Raises what `store.jobs.create` raises."""
        ...


class Submitted(NamedTuple):
    """What was stored, and the secret of the job's own webhook where it is told now: never of a replay."""

    created: Created
    webhook_secret: str | None

    @property
    def job(self) -> Job:
        """The job as it was stored, or as it is now."""
        return self.created.job

    @property
    def replayed(self) -> bool:
        """Whether it had been stored before, under the same key."""
        return self.created.replayed


class SubmitEndpoint:
    """Takes a batch.

    Args:
        create: stores it.
        publish: tells everybody of a committed version, and of a moment before the primary was asked.
        watch: to wait for the end, where that is asked for.
        holding: counts the waits.
        uploads: counts the bytes of bodies that are coming in.
        form: of the set this endpoint belongs to.
        rules: what a submission is held to.
        provider: the name that jobs carry.
        webhooks: makes the job's own webhook.
        anonymous: whether unsigned callers may submit.
        most_unfinished: jobs that an unsigned caller's address has at once; 0 for as many as come.
        keys_keep: seconds for which an `Idempotency-Key` stands for its job.
        max_wait: seconds; longer waits are cut to it.
    """

    def __init__(
        self,
        *,
        create: Create,
        publish: Publish,
        watch: StatusWatch,
        holding: Holding,
        uploads: Uploads,
        form: Form,
        rules: Rules,
        provider: str,
        webhooks: OwnWebhooks,
        anonymous: bool,
        most_unfinished: int,
        keys_keep: float,
        max_wait: int,
    ) -> None:
        self._create = create
        self._publish = publish
        self._watch = watch
        self._holding = holding
        self._uploads = uploads
        self._form = form
        self._rules = rules
        self._provider = provider
        self._webhooks = webhooks
        self._anonymous = anonymous
        self._most_unfinished = most_unfinished
        self._keys_keep = keys_keep
        self._max_wait = max_wait
        self._turns = Turns()

    async def __call__(self, request: Request) -> Response:
        """Serve one request; a refused one leaves nothing behind."""
        client_id = self._client_of(request.scope)
        if client_id is None and not self._anonymous:
            raise Refused(
                "This service hands jobs to a real provider and takes them from its clients alone.",
                code="anonymous_submit_disabled",
            )
        wait = self._wait_of(request.scope)
        shortest = SHORTEST_OF_ANYBODY if client_id is None else 1
        key = idempotency_key(header_lines(request.scope, b"idempotency-key"), shortest=shortest)
        media_type = _media_type(request)
        fingerprint = Fingerprint(media_type)
        read = _READERS[media_type]
        with (
            self._uploads.begin(request.scope[PARTY].key) as upload,
            await read(fingerprint.over(_body(request, upload)), self._rules) as draft,
        ):
            once = key and Once(client_id or "", key, fingerprint.value(), self._keys_keep)
            requests = (NewRequest(*one) for one in draft.requests())
            new, secret = self._new_job(draft, client_id, address_of(request.scope))
            async with self._turn_of(new):
                asked_at = monotonic()
                created = await self._create(new, requests, once=once or None)
        # Also of a job that was stored before: the first submit may have died before it told anybody.
        await self._publish([created.job], asked_at)
        return _Submitted(self, Submitted(created, None if created.replayed else secret), wait)

    async def serve(self, created: Submitted, wait: int | None, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer to a submit that was stored, now or at the job's end."""
        job = created.job
        if not wait or self._holding.draining:
            await send_whole(self._answer(created, Snapshot(job), wait and 0), scope, send)
            return
        scope[TRANSPORT] = "wait"

        def answer(present: Snapshot | None) -> Answer:
            # Whose key has ended meanwhile is told what was stored while it was good, and no more of the job: who is
            # told that the submit was refused submits again.
            told = present if admission_of(scope).lapsed() is None else None
            answer = self._answer(created, told or Snapshot(job), wait)
            remark = told and self._watch.remark(told.job)
            return remarked(answer, told.job, remark) if told and remark else answer

        held = HeldAnswer(scope, send, reached=Until.TERMINAL.reached(job.version), answer=answer)
        try:
            topic = await self._watch.follow(job.id, held)
        except Unavailable:
            topic = None  # it is stored: whoever heard a refusal now would submit it again
        if topic is None:
            await send_whole(self._answer(created, Snapshot(job), wait), scope, send)
            return
        try:
            with self._holding.holds(held, "wait", scope[PARTY]) as hold:
                held.begin(topic, wait, hold)
                self._holding.catch_up(held)
                await held.sending.until_gone(receive)
        except (TooMany, Unavailable):
            # Too much is held open to wait for it as well; it is stored, as above.
            await send_whole(self._answer(created, Snapshot(job), 0), scope, send)
        finally:
            held.end()
            self._watch.unfollow(topic, held)

    def _turn_of(self, new: NewJob) -> AbstractAsyncContextManager[None]:
        # Who counts an address's jobs waits for whoever stores one for it, and would hold a connection meanwhile: a
        # few submits at once from one address would keep all others from the database.
        return nullcontext() if new.share is None else self._turns.of(new.share.submitter)

    def _wait_of(self, scope: Scope) -> int | None:
        asked = queried_wait(query(scope).get("wait", []))
        if asked is None:
            asked = preferred_wait(header(scope, b"prefer") or "")
        return asked if asked is None else min(asked, self._max_wait)

    def _client_of(self, scope: Scope) -> str | None:
        """Whose job it will be: the signer's; whoever has a token submits as anybody does."""
        caller = admission_of(scope).certain()
        return caller.client_id if caller.signed else None

    def _new_job(self, draft: Draft, client_id: str | None, address: str) -> tuple[NewJob, str | None]:
        """The job to be stored, and the secret of its webhook, if it has one."""
        counted = client_id is None and self._most_unfinished > 0
        job_id = new_job_id()
        own = self._webhooks.of(draft.webhook, job_id, client_id, address)
        new = NewJob(
            id=job_id,
            client_id=client_id,
            provider=self._provider,
            endpoint=draft.endpoint,
            metadata=draft.metadata,
            total=draft.total,
            expires_in=draft.expires_in,
            poll_after=FIRST_POLL_AFTER,
            share=Share(address, self._most_unfinished) if counted else None,
            webhook=own and own.stored,
        )
        return new, own and own.secret

    def _answer(self, created: Submitted, snapshot: Snapshot, granted: int | None) -> Answer:
        rendered = snapshot.rendered(self._form)
        location = f"{self._form.base}/{snapshot.job.id}".encode()
        body = _with_secret(rendered.body, created.webhook_secret)
        length = (b"content-length", b"%d" % len(body))
        described = [length if name == length[0] else (name, value) for name, value in rendered.described]
        headers: Headers = [*described, NO_STORE, VARY, (b"location", location)]
        if created.replayed:
            headers.append((b"idempotent-replayed", b"true"))
        if granted is not None:
            headers.append((b"preference-applied", b"wait=%d" % granted))
        return Answer(200 if snapshot.job.terminal else 202, [*headers, *unfinished(rendered)], body)


def _with_secret(body: bytes, secret: str | None) -> bytes:
    """The job as it is shown, with the secret of its webhook at the end, if that is told now."""
    return body if secret is None else b'%b,"webhook_secret":"%b"}' % (body[:-1], secret.encode())


class _Submitted(Response):
    """Lets FastAPI send what the endpoint holds until the job's end."""

    def __init__(self, endpoint: SubmitEndpoint, created: Submitted, wait: int | None) -> None:
        super().__init__(status_code=202)
        self._endpoint = endpoint
        self._created = created
        self._wait = wait

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._endpoint.serve(self._created, self._wait, scope, receive, send)


def _media_type(request: Request) -> str:
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type not in _READERS:
        named = f'"{media_type[:100]}"' if media_type else "without a Content-Type"
        raise Unsupported(f"A batch is sent as {' or '.join(_READERS)}, not {named}.")
    return media_type


async def _body(request: Request, upload: Upload) -> AsyncGenerator[bytes]:
    try:
        async for chunk in request.stream():
            upload.add(len(chunk))
            yield chunk
    except ClientDisconnect:
        raise BadRequest("The body ended before it was whole.", code="body_cut") from None
