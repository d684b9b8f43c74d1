"""What is published: a version of a job, whole, so that nobody has to read it again; or that a job was deleted."""

from datetime import datetime
from typing import Any, Self

import orjson

from polling_api.domain.job import Job, JobError, Progress, Status

GONE = 0  # no job ever has this version

_MOMENTS = ("created_at", "updated_at", "started_at", "finished_at", "expires_at", "results_expire_at")


class Notice:
    """`<id> <version> <JSON of the job>`: most receivers need only the first two words, and parse no JSON.

    Of a job that was deleted it is `<id> 0 `, which tells nothing that the primary is not to be asked for.
    """

    __slots__ = ("_payload", "job_id", "version")

    def __init__(self, job_id: str, version: int, payload: bytes) -> None:
        self.job_id = job_id
        self.version = version
        self._payload = payload

    @classmethod
    def of(cls, job: Job) -> Self:
        """The notice that tells `job`."""
        return cls(job.id, job.version, orjson.dumps(job))

    @classmethod
    def gone(cls, job_id: str) -> Self:
        """The notice that a job was deleted."""
        return cls(job_id, GONE, b"")

    @property
    def tells_deletion(self) -> bool:
        """Whether it tells that the job is gone; there is no version in it then."""
        return self.version == GONE

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Read a message from the wire.

        Raises:
            ValueError: it is no notice of ours.
        """
        job_id, version, payload = message.split(b" ", 2)
        return cls(job_id.decode(), int(version), payload)

    def encode(self) -> bytes:
        """The message for the wire."""
        return b"%s %d %s" % (self.job_id.encode(), self.version, self._payload)

    def job(self) -> Job:
        """The version that the notice tells.

        Raises:
            ValueError, KeyError, TypeError: the payload is of another release of this service, or the job is gone.
        """
        fields: dict[str, Any] = orjson.loads(self._payload)
        fields["status"] = Status(fields["status"])
        fields["progress"] = Progress(**fields["progress"])
        fields["error"] = fields["error"] and JobError(**fields["error"])
        for name in _MOMENTS:
            fields[name] = fields[name] and datetime.fromisoformat(fields[name])
        return Job(**fields)
