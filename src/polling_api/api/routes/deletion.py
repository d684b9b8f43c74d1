"""`DELETE` of a finished job, with its requests, results and history."""

from collections.abc import Awaitable, Callable, Sequence

from starlette.responses import Response

from polling_api.api.admission import Admission
from polling_api.api.answers import NO_STORE, VARY, Answer
from polling_api.api.handlers import AnswerResponse
from polling_api.api.ownership import Ownership, no_such_job

Delete = Callable[[str], Awaitable[bool]]
PublishGone = Callable[[Sequence[str]], Awaitable[None]]

_DELETED = Answer(204, [NO_STORE, VARY])


class DeleteEndpoint:
    """Deletes one job.

    Args:
        ownership: finds the job for whoever asks.
        delete: deletes a finished job; False where there is no such job.
        publish_gone: tells everybody of deleted jobs.
    """

    def __init__(self, ownership: Ownership, delete: Delete, publish_gone: PublishGone) -> None:
        self._ownership = ownership
        self._delete = delete
        self._publish_gone = publish_gone

    async def __call__(self, admission: Admission, job_id: str) -> Response:
        """Answer once nobody can find the job any more.

        Raises:
            NotFound: there is no such job, or it is not the caller's.
            Refused: the caller has a token, and none allows it.
            Conflict: it has not ended.
            Unavailable: it may or may not be deleted.
        """
        caller = admission.certain()
        await self._ownership.find(caller, job_id, None)
        deleted = await self._delete(job_id)
        self._ownership.forget(caller, job_id)
        if not deleted:
            raise no_such_job()
        await self._publish_gone([job_id])
        return AnswerResponse(_DELETED)
