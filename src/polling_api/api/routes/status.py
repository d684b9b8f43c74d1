"""`GET` and `HEAD` of a job's status: conditional, and able to wait. Hot: nothing here but what a poll needs."""

from typing import NamedTuple

from starlette.types import Receive, Scope, Send

from polling_api.api import answers
from polling_api.api.admission import Admission, Door, admitted
from polling_api.api.answers import Answer
from polling_api.api.checked import TRANSPORT
from polling_api.api.codings import Accepted, accepted_codings
from polling_api.api.conditional import Condition, parse_condition
from polling_api.api.forms import asked_form
from polling_api.api.guard import Guard
from polling_api.api.held import Holding, send_whole
from polling_api.api.limits import PARTY
from polling_api.api.ownership import Ownership, no_such_job
from polling_api.api.preferences import Until, preferred_wait, queried_until, queried_wait
from polling_api.api.problems import problem
from polling_api.api.requests import forget_head, header, once, query
from polling_api.api.waiting import HeldAnswer, version_seen
from polling_api.domain.caller import Scope as Needed
from polling_api.errors import Unavailable
from polling_api.ratelimit import POLL, WAIT
from polling_api.representation import Form, Snapshot
from polling_api.resilience.steps import in_a_task
from polling_api.watch import StatusWatch


class _Question(NamedTuple):
    """For how many seconds to wait, if at all, and for what; in what form and codings; and what was seen."""

    wait: int | None
    until: Until
    form: Form
    condition: Condition
    accepted: Accepted


class StatusEndpoint:
    """Answers with a job's present state, or once it has changed.

    Args:
        door: says who asks.
        guard: counts the requests.
        ownership: finds the job for whoever it is.
        watch: the snapshots.
        holding: counts the waits.
        form: of the set this endpoint belongs to.
        max_wait: seconds; longer waits are cut to it.
    """

    def __init__(
        self,
        door: Door,
        guard: Guard,
        ownership: Ownership,
        watch: StatusWatch,
        holding: Holding,
        form: Form,
        max_wait: int,
    ) -> None:
        self._door = door
        self._guard = guard
        self._ownership = ownership
        self._watch = watch
        self._holding = holding
        self._form = form
        self._max_wait = max_wait

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        admission = await admitted(self._door, scope, receive)
        wait, until, form, condition, accepted = once(scope, self._question)
        job_id = scope["path_params"]["job_id"]
        self._guard.count(scope, job_id, WAIT if wait else POLL)
        snapshot = await self._ownership.find(
            admission.caller, job_id, Needed.STATUS, version=condition.version or 0, kept=True
        )
        if wait is None:
            await send_whole(self._answer(snapshot, condition, form, accepted, None), scope, send)
            return
        granted = 0 if condition.anything or self._holding.draining else min(wait, self._max_wait)
        await self._wait(snapshot, condition, form, accepted, until, granted, admission, scope, receive, send)

    def _question(self, scope: Scope) -> _Question:
        """Read what is asked; what breaks a rule raises as the parsers of its parts do."""
        parameters = query(scope)
        wait, until = queried_wait(parameters.get("wait", [])), queried_until(parameters.get("until", []))
        return _Question(
            preferred_wait(header(scope, b"prefer") or "") if wait is None else wait,
            until,
            asked_form(self._form, parameters),
            parse_condition(header(scope, b"if-none-match"), header(scope, b"if-modified-since")),
            accepted_codings(scope),
        )

    def _answer(
        self, snapshot: Snapshot, condition: Condition, form: Form, accepted: Accepted, granted: int | None
    ) -> Answer:
        rendered = snapshot.rendered(form)
        if condition.given and condition.holds_now(rendered):
            answer = answers.not_modified(rendered, granted=granted)
        else:
            answer = answers.state(rendered, granted=granted, accepted=accepted)
        remark = self._watch.remark(snapshot.job)
        return answer if remark is None else answers.remarked(answer, snapshot.job, remark)

    async def _wait(
        self,
        snapshot: Snapshot,
        condition: Condition,
        form: Form,
        accepted: Accepted,
        until: Until,
        granted: int,
        admission: Admission,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        reached = until.reached(version_seen(snapshot.rendered(form), condition, any_change=until is Until.CHANGE))
        if granted == 0 or reached(snapshot.job):
            await send_whole(self._answer(snapshot, condition, form, accepted, granted), scope, send)
            return
        await in_a_task()
        scope[TRANSPORT] = "wait"
        forget_head(scope)  # read again for the answer

        def answer(present: Snapshot | None) -> Answer:
            if (refusal := admission.lapsed()) is not None:
                return problem(refusal, scope)
            if present is None:
                return problem(no_such_job(), scope)
            if not reached(present.job) and self._watch.live(present.job.id) is None:
                return problem(Unavailable("Nobody can say now whether the job changed.", retry_after=1), scope)
            return self._answer(present, condition, form, accepted, granted)

        held = HeldAnswer(scope, send, reached=reached, answer=answer)
        topic = await self._watch.follow(snapshot.job.id, held)
        if topic is None:
            raise no_such_job()
        try:
            with self._holding.holds(held, "wait", scope.get(PARTY)) as hold, self._guard.waits(scope):
                held.begin(topic, granted, hold)
                self._holding.catch_up(held)
                await held.sending.until_gone(receive)
        finally:
            held.end()
            self._watch.unfollow(topic, held)
