"""What the audit log holds, as values: who did what, from where, when, and with what outcome."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from polling_api.domain.caller import Caller

ALLOWED = "allowed"
"""The outcome of what was done; any other is the code of the problem that was told instead."""

ANONYMOUS = "anonymous"
OPERATOR = "operator"
OTHERS = "others"
"""Callers that were too many to be told one by one."""

_PREFIX = "aud_"


def new_entry_id() -> str:
    """An id no other entry has."""
    return f"{_PREFIX}{secrets.token_hex(16)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that was done, or refused.

    Attributes:
        client_id: whose job, key or token it was about; None for public jobs and callers nobody knows.
        actor: who did it: `key:<id>`, `token:<id>`, `anonymous`, `operator` or `others`.
        action: a dotted name, the kind first, as `results.read` or `refused.read_job`.
        outcome: `allowed`, or the code of the problem that was told.
        job_id: the job, where it was about one.
        address: the network address it came from; None where it came from several.
        count: how many times.
        correlation_id: the caller's own, if it sent one.
        request_id: ours, as it stands in the log lines of the request.
        minute: when the minute began in which `count` was counted; None for a single one, which the database stamps.
        id: its own.
    """

    client_id: str | None
    actor: str
    action: str
    outcome: str = ALLOWED
    job_id: str | None = None
    address: str | None = None
    count: int = 1
    correlation_id: str | None = None
    request_id: str | None = None
    minute: datetime | None = None
    id: str = field(default_factory=new_entry_id)


class Recorded(NamedTuple):
    """An entry as it is kept, and when it was made."""

    entry: Entry
    at: datetime

    @property
    def place(self) -> "Place":
        """Where it stands among all."""
        return Place(self.at, self.entry.id)


class Place(NamedTuple):
    """Where an entry stands among all, which are ordered by time, and by id where that is the same."""

    at: datetime
    id: str


def actor_of(caller: Caller) -> str:
    """The name under which a caller's doings are recorded."""
    if caller.grant is not None:
        return f"token:{caller.grant.id}"
    return ANONYMOUS if caller.key_id is None else f"key:{caller.key_id}"
