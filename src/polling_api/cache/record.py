"""How a version of a job lies in Redis: a head of fixed width, which is compared and renewed in place, and a notice.

    00000000000000000004 1795651200123 job_… 4 - {"id":"job_…",…}
    version              stamp         the notice as it is published; empty where the job was deleted

The stamp is the moment, in milliseconds of Redis's own clock, at which the version was the newest in the primary.
"""

from typing import NamedTuple, Self

from polling_api.hub import Notice

GONE = 10**20 - 1  # of a job that was deleted: no version is higher, so none comes back over it

_PREFIX = b"polling:status:"
_HEAD = b"%020d %013d "
_VERSION, _STAMP, _MESSAGE = slice(0, 20), slice(21, 34), slice(35, None)


class Entry(NamedTuple):
    """What is to be kept of a job: `message` is a notice, or empty to say only that the version is still the newest.

    `seen_at` is when that was so in the primary, in monotonic seconds of this process; the moment before it was asked.
    """

    job_id: str
    version: int
    seen_at: float
    message: bytes = b""

    @classmethod
    def of(cls, notice: Notice, seen_at: float) -> Self:
        """What a notice tells, of a deletion too."""
        if notice.tells_deletion:
            return cls(notice.job_id, GONE, seen_at)
        return cls(notice.job_id, notice.version, seen_at, notice.encode())


class Found(NamedTuple):
    """What was kept: a notice, None where the job was deleted, and how many seconds ago it was seen in the primary."""

    notice: Notice | None
    age: float


def key_of(job_id: str) -> bytes:
    """Where a job is kept."""
    return _PREFIX + job_id.encode()


def record_of(entry: Entry, stamp: int) -> bytes:
    """What is sent to be kept."""
    return _HEAD % (entry.version, stamp) + entry.message


def found_in(record: bytes, now: int) -> Found:
    """Read what was kept, at `now` of Redis's clock.

    Raises:
        ValueError: it is of another release of this service, or of nobody's.
    """
    age = (now - int(record[_STAMP])) / 1000
    if int(record[_VERSION]) == GONE:
        return Found(None, age)
    return Found(Notice.decode(record[_MESSAGE]), age)
