"""Who makes a request, found out before anything else is done for it.

Each set of endpoints has a `Door`. What it finds is an `Admission`, which endpoints take from the request's scope.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.types import Receive, Scope

from polling_api.domain.caller import ANYBODY, Caller
from polling_api.errors import Unauthenticated, Unavailable
from polling_api.resilience.backoff import jittered

ADMISSION = "polling.admission"  # of the scope
RETRY_AFTER = 2  # seconds: a restart of Redis or a failover of Postgres takes a few


def never() -> None:
    """That an admission without a key does not end."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A caller, and how far that is certain.

    Attributes:
        caller: who it is.
        doubt: why it cannot be said for certain now that the key is good and the request new; empty where it can.
        lapsed: the refusal that the caller would be given now, where what let it in has ended since; asked while an
            answer is held.
        receive: in place of the server's, where the body has to be what was signed.
    """

    caller: Caller = ANYBODY
    doubt: str = ""
    lapsed: Callable[[], Unauthenticated | None] = never
    receive: Receive | None = None

    def certain(self) -> Caller:
        """The caller, for what may not be done for anybody else: writes, and reads of results.

        Raises:
            Unavailable: it is not certain.
        """
        if self.doubt:
            raise Unavailable(self.doubt, retry_after=jittered(RETRY_AFTER))
        return self.caller


class Door(Protocol):
    """Who may pass into a set of endpoints."""

    @property
    def refuses(self) -> tuple[str, ...]:
        """The codes of its refusals, for the OpenAPI document."""
        ...

    @property
    def security(self) -> Sequence[Mapping[str, list[str]]]:
        """What it takes to pass, as that document says it: one of these has to be fulfilled."""
        ...

    async def admit(self, scope: Scope, receive: Receive) -> Admission:
        """Say who makes a request.

        Raises:
            Unauthenticated: nobody who may pass.
            BadRequest: credentials stand where they may not.
            Unavailable: that cannot be said now.
        """
        ...


async def admitted(door: Door, scope: Scope, receive: Receive) -> Admission:
    """Have a door say who makes a request, and note it there for all who come after.

    Raises:
        Unauthenticated, BadRequest, Unavailable: as `Door.admit` does.
    """
    admission = scope[ADMISSION] = await door.admit(scope, receive)
    return admission


def admission_of(scope: Scope) -> Admission:
    """What the door of the request's route has found."""
    return scope[ADMISSION]
