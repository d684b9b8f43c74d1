"""Who makes a request, and what of that may be seen and done: values, and the rules over them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from polling_api.domain.job import Job


class Scope(StrEnum):
    """What an access token allows. `status` includes the history."""

    STATUS = "status"
    EVENTS = "events"
    RESULTS = "results"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Grant:
    """What an access token says: some of a client's jobs, or all of them (`jobs` is None), until it ends."""

    id: str
    client_id: str
    key_id: str
    jobs: frozenset[str] | None
    scopes: frozenset[Scope]
    expires_at: datetime

    def names(self, job: Job) -> bool:
        """Whether `job` is one of those it is for."""
        return job.client_id == self.client_id and (self.jobs is None or job.id in self.jobs)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request.

    A client signs (`key_id`, no `grant`), the bearer of a token acts for one (with a `grant`), anybody else is nobody
    in particular (no `client_id`).
    """

    client_id: str | None = None
    key_id: str | None = None
    grant: Grant | None = None

    @property
    def signed(self) -> bool:
        """Whether a client makes it by its own signature."""
        return self.client_id is not None and self.grant is None

    @property
    def named(self) -> frozenset[str] | None:
        """The jobs that its token names; None where it is all of its client's."""
        return self.grant.jobs if self.grant is not None else None

    @property
    def name(self) -> str:
        """Whom it counts against: a token, a client, or (empty) nobody in particular."""
        if self.grant is not None:
            return self.grant.id
        return self.client_id or ""

    def sees(self, job: Job) -> bool:
        """Whether it may know that there is such a job.

        A client sees its own jobs. Everybody else sees public ones, whose id is the capability, and the bearer of a
        token those that it names.
        """
        if self.signed:
            return job.client_id == self.client_id
        return job.client_id is None or (self.grant is not None and self.grant.names(job))

    def allows(self, scope: Scope | None) -> bool:
        """Whether nothing keeps it from what takes `scope`, as a token without that does."""
        return self.grant is None or scope in self.grant.scopes


ANYBODY = Caller()
