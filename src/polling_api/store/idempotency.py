"""A key that a caller gives its submission, so that sending it again makes no second job."""

from dataclasses import dataclass
from hashlib import blake2b

from sqlalchemy import BigInteger, Boolean, Float, LargeBinary, Text, bindparam, case, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from polling_api.errors import Conflict, Invalid
from polling_api.store.clock import NOW, later
from polling_api.store.tables import idempotency_keys as keys

RETRY_AFTER = 1  # seconds: most submissions take a fraction of that


@dataclass(frozen=True, slots=True)
class Once:
    """What makes a submission the same as an earlier one.

    Attributes:
        scope: whose keys they are; the same key in another scope is another.
        key: the caller's.
        fingerprint: of all that was sent, to tell a repetition from a mistake.
        keep: seconds for which the key stands for its job.
    """

    scope: str
    key: str
    fingerprint: bytes
    keep: float


# Given back by Postgres at the transaction's end, however that comes. Only who has it writes the key, so nobody
# ever waits for another's COPY, nor finds a key whose job is not there yet.
_lock = func.pg_try_advisory_xact_lock(bindparam("lock", type_=BigInteger()), type_=Boolean())
_turn = select(_lock.label("ours")).cte("turn")
_offered = {
    "scope": bindparam("scope", type_=Text()),
    "key": bindparam("key", type_=Text()),
    "fingerprint": bindparam("fingerprint", type_=LargeBinary()),
    "job_id": bindparam("job_id", type_=Text()),
    "expires_at": later(NOW, bindparam("keep", type_=Float())),
}
_offer = insert(keys).from_select(list(_offered), select(*_offered.values()).where(_turn.c.ours))
_free = keys.c.expires_at <= NOW
_CLAIM = _offer.on_conflict_do_update(
    index_elements=[keys.c.scope, keys.c.key],
    set_={
        name: case((_free, _offer.excluded[name]), else_=keys.c[name])
        for name in ("fingerprint", "job_id", "expires_at")
    },
).returning(keys.c.fingerprint, keys.c.job_id)


async def claim(connection: AsyncConnection, once: Once, job_id: str) -> str:
    """Take the key for a new job, by one statement of the transaction that makes the job.

    The row is committed with the job, or not at all: neither a refused submission nor a crash leaves one behind.

    Args:
        connection: of that transaction.
        once: the key.
        job_id: of the new job.

    Returns:
        The job that the key stands for: `job_id`, or that of an earlier submission of the same.

    Raises:
        Conflict: another transaction is making a job under this key right now.
        Invalid: the key stands for something else that was sent.
    """
    offered = {name: getattr(once, name) for name in ("scope", "key", "fingerprint", "keep")}
    parameters = {**offered, "job_id": job_id, "lock": _lock_of(once)}
    row = (await connection.execute(_CLAIM, parameters)).one_or_none()
    if row is None:
        raise Conflict(
            "The first submission with this Idempotency-Key is still being stored.",
            code="idempotency_in_progress",
            retry_after=RETRY_AFTER,
        )
    if row.fingerprint != once.fingerprint:
        raise Invalid("This Idempotency-Key came with another body before.", code="idempotency_key_reused")
    return row.job_id


def _lock_of(once: Once) -> int:
    """The key's name among advisory locks: two that share one by chance (2^-64) are told to come back."""
    name = f"{once.scope}\0{once.key}".encode()
    return int.from_bytes(blake2b(name, digest_size=8, person=b"idempotency").digest(), signed=True)
