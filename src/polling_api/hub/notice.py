"""What is published: a version of a job, whole, so that nobody has to read it again; or that a job was deleted."""

import re
from datetime import datetime
from typing import Any, Self

import orjson

from polling_api.domain.job import Job, JobError, Progress, Status

GONE = 0  # no job ever has this version
RING = -1  # nor this one, which earlier releases take for an old version of a job that they do not know
NOBODY = b"-"  # in place of the client of a public job

# A payload is JSON, which begins with none of these: so what an older release says is told from what this one does.
_CLIENT = re.compile(rb"[A-Za-z0-9_.:-]+")

_MOMENTS = ("created_at", "updated_at", "started_at", "finished_at", "expires_at", "results_expire_at")


class Notice:
    """`<id> <version> <client> <JSON of the job>`: most receivers need only the first three words, and parse no JSON.

    `seen_at` is when it was so in the primary, in monotonic seconds of this process; None where that is not known, as
    of what was heard from others. It is not told.

    The client is `-` for public jobs. Of a job that was deleted it is `<id> 0 - `, which tells nothing that the primary
    is not to be asked for. `- -1 - ` is of no job: it wakes monitors, since something is due now.
    """

    __slots__ = ("_payload", "client_id", "job_id", "seen_at", "version")

    def __init__(
        self, job_id: str, version: int, client_id: str | None, payload: bytes, seen_at: float | None = None
    ) -> None:
        self.job_id = job_id
        self.version = version
        self.client_id = client_id
        self.seen_at = seen_at
        self._payload = payload

    @classmethod
    def of(cls, job: Job, seen_at: float | None = None) -> Self:
        """The notice that tells `job`."""
        return cls(job.id, job.version, job.client_id, orjson.dumps(job), seen_at)

    @classmethod
    def gone(cls, job_id: str, seen_at: float | None = None) -> Self:
        """The notice that a job was deleted."""
        return cls(job_id, GONE, None, b"", seen_at)

    @classmethod
    def ring(cls) -> Self:
        """The notice that some job is due now."""
        return cls("-", RING, None, b"")

    @property
    def rings(self) -> bool:
        """Whether it only wakes monitors."""
        return self.version == RING

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
        job_id, version, client, payload = message.split(b" ", 3)
        if not _CLIENT.fullmatch(client):
            raise ValueError("the third word names no client")
        return cls(job_id.decode(), int(version), None if client == NOBODY else client.decode(), payload)

    def encode(self) -> bytes:
        """The message for the wire."""
        client = NOBODY if self.client_id is None else self.client_id.encode()
        return b"%s %d %s %s" % (self.job_id.encode(), self.version, client, self._payload)

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
