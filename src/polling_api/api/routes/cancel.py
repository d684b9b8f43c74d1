"""`POST` of a cancel: the job is asked to end, and what became of it is told."""

from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

from starlette.responses import Response

from polling_api.api.admission import Admission
from polling_api.api.answers import NO_STORE, VARY, Answer, unfinished
from polling_api.api.handlers import AnswerResponse
from polling_api.api.ownership import Ownership, no_such_job
from polling_api.domain.caller import Scope
from polling_api.domain.job import Job, Status
from polling_api.errors import Conflict
from polling_api.representation import Form, Snapshot
from polling_api.watch import StatusWatch

Cancel = Callable[[str], Awaitable[Job | None]]
Publish = Callable[[Sequence[Job], float], Awaitable[None]]


class CancelEndpoint:
    """Cancels one job.

    Args:
        ownership: finds the job for whoever asks.
        watch: the snapshots.
        cancel: asks for the end of a job, and gives its present version; None where there is no such job.
        publish: tells everybody of a committed version, and of a moment before the primary was asked.
        form: of the set this endpoint belongs to.
    """

    def __init__(self, ownership: Ownership, watch: StatusWatch, cancel: Cancel, publish: Publish, form: Form) -> None:
        self._ownership = ownership
        self._watch = watch
        self._cancel = cancel
        self._publish = publish
        self._form = form

    async def __call__(self, admission: Admission, job_id: str) -> Response:
        """Answer with the job as it is now, as often as asked.

        Raises:
            NotFound: there is no such job, or it is not the caller's.
            Refused: the caller's token does not allow it.
            Conflict: it has ended otherwise.
            Unavailable: it may or may not be asked to end; asking again does no harm.
        """
        await self._ownership.find(admission.certain(), job_id, Scope.CANCEL)
        asked_at = monotonic()
        job = await self._cancel(job_id)
        if job is None:
            self._watch.deleted(job_id)
            raise no_such_job()
        # Also where nothing was changed: whoever asks again may do so because the first notice was lost.
        self._watch.committed(job)
        await self._publish([job], asked_at)
        if job.terminal and job.status is not Status.CANCELLED:
            raise Conflict(f"The job has {job.status}; there is nothing left to cancel.", code="job_finished")
        rendered = Snapshot(job).rendered(self._form)
        headers = [*rendered.described, NO_STORE, VARY, *unfinished(rendered)]
        return AnswerResponse(Answer(202, headers, rendered.body))
