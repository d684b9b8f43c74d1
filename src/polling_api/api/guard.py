"""What every request below `/api/` passes: whose it is, whether that one is shut out, and what is left to it.

The edge has a guard look at each request as it comes, and again as its answer begins. Between the two the set's door
says who the caller is, and the route counts it: hot reads by `Guard.count`, ordinary ones by slowapi's declarations.
"""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from functools import lru_cache, partial
from time import time
from types import TracebackType
from typing import Final, Protocol

from starlette.types import Receive, Scope

from polling_api.api.admission import Admission, Door
from polling_api.api.allowed import OPTIONS
from polling_api.api.checked import TRANSPORT
from polling_api.api.limits import DECISION, PARTY, blocked, limit_lines, limited
from polling_api.api.problems import PROBLEM
from polling_api.api.requests import field, field_lines, header, once
from polling_api.domain.caller import Caller
from polling_api.errors import BadRequest, PollingError, Unauthenticated
from polling_api.ratelimit import (
    POLL,
    Blocks,
    Decision,
    Figures,
    Party,
    Proxies,
    SeenProxy,
    Suspects,
    Windows,
    address_of,
    bearer,
    client,
    nobody,
)
from polling_api.ratelimit.address import site_of
from polling_api.ratelimit.windows import HELD_ENOUGH
from polling_api.resilience.delays import Delay

ADDRESS: Final = "polling.address"  # of the scope: what a request counts against, where it is not the peer's address
LIMITED: Final = "/api/"  # what is below it is limited, and says how far
_MISSED: Final = "polling.missed"
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD"})
_MOST_ADDRESSES = 8192  # whose parties are kept; to make one takes a microsecond


class Watcher(Protocol):
    """What the edge has look at requests."""

    def meet(self, scope: Scope) -> None:
        """Look at a request as it comes."""
        ...

    def told(self, scope: Scope, status: int) -> bytes:
        """Look at it as its answer begins, and give the header lines that say what is left."""
        ...


class NoWatcher:
    """For what is refused before anybody is known, and for tests of other things."""

    def meet(self, scope: Scope) -> None:
        """See `Watcher.meet`."""

    def told(self, scope: Scope, status: int) -> bytes:  # noqa: ARG002
        """See `Watcher.told`."""
        return b""


class Guard:
    """Knows callers by address, client and token, and holds them to their limits.

    Args:
        figures: as they are meant.
        proxies: those that are believed about who the caller is.
        windows: decides on requests.
        blocks: who is shut out.
        suspects: told of unknown ids and of wrong signatures.
        seen_proxy: told of forwarding headers that nobody believes.
        own_hour: a client's own figure for an hour, where it has one.
        clock: gives epoch seconds.
    """

    def __init__(
        self,
        *,
        figures: Figures,
        proxies: Proxies,
        windows: Windows,
        blocks: Blocks,
        suspects: Suspects,
        seen_proxy: SeenProxy,
        own_hour: Callable[[str], int | None],
        clock: Callable[[], float] = time,
    ) -> None:
        self._figures = figures
        self._proxies = proxies
        self._windows = windows
        self._blocks = blocks
        self._suspects = suspects
        self._seen_proxy = seen_proxy
        self._own_hour = own_hour
        self._clock = clock
        self._nobody = lru_cache(_MOST_ADDRESSES)(partial(nobody, figures=figures))
        self._in_the_burst = Delay[_Wait](HELD_ENOUGH, self._free_of_burst)

    def meet(self, scope: Scope) -> None:
        """Find out which address a request counts against; until more is known, that is who makes it."""
        client_of = scope.get("client")
        peer: str | None = client_of[0] if client_of else None
        address, unbelieved = site_of(peer), False
        if once(scope, _is_forwarded):
            forwarded, forwarded_for = field_lines(scope, b"forwarded"), field_lines(scope, b"x-forwarded-for")
            told = address_of(peer, forwarded, forwarded_for, self._proxies)
            address, unbelieved = told, told == address
        if address != peer:
            scope[ADDRESS] = address
        if scope["path"].startswith(LIMITED):
            scope[PARTY] = self._nobody(address)
            self._seen_proxy.note(address, self._clock(), forwarded=unbelieved)

    def know(self, scope: Scope, caller: Caller) -> None:
        """Have a request count against the caller that its credentials name.

        Raises:
            TooMany: it is shut out (`blocked`); or it sends a body, and its hour is used up (`rate_limited`).
        """
        if caller.client_id is not None:
            scope[PARTY] = self._party_of(caller.client_id, caller)
        self.require_welcome(scope)
        if scope["method"] not in _WITHOUT_BODY:
            self._require_some_of_the_hour(scope)

    def require_welcome(self, scope: Scope) -> None:
        """Let a request pass that nobody makes who is shut out.

        Raises:
            TooMany: its caller is (`blocked`).
        """
        left = self._blocks.left(scope[PARTY], self._clock())
        if left:
            raise blocked(left)

    def unrouted(self, scope: Scope) -> None:
        """Let a request pass that no route takes, to its `404` or `405`.

        Raises:
            TooMany: its address is shut out, or has asked too often.
        """
        if PARTY in scope:
            self.require_welcome(scope)
            self.count(scope, None, POLL)

    def refusal_of_stranger(self, scope: Scope, refusal: PollingError) -> PollingError:
        """What somebody is told whose credentials are no good: `refusal`, or that the address is over its limits."""
        now, party = self._clock(), scope[PARTY]
        if left := self._blocks.left(party, now):
            return blocked(left)
        if refusal.code == "invalid_signature" and header(scope, b"signature") is not None:
            self._suspects.signed_wrongly(party, now)
        return refusal if self._decide(scope, None, POLL).allowed else limited(scope[DECISION])

    def count(self, scope: Scope, job: str | None, endpoint: str) -> None:
        """Count a request, before anything is looked up for it.

        Args:
            scope: the request.
            job: the id in its path, known or not; None where there is none.
            endpoint: `POLL`, `WAIT` or `STREAM`.

        Raises:
            TooMany: its caller has asked too often (`rate_limited`); it is not counted.
        """
        decision = self._decide(scope, job, endpoint)
        if not decision.allowed:
            raise limited(decision)

    def waits(self, scope: Scope) -> AbstractContextManager[None]:
        """A block during which a wait that was counted is held; soon it is in the burst no more."""
        return _Wait(self._in_the_burst, scope)

    def told(self, scope: Scope, status: int) -> bytes:
        """Settle what a request counts, now that its answer is known, and say what is left."""
        party: Party | None = scope.get(PARTY)
        code = scope.get(PROBLEM)
        if party is None or scope["method"] == OPTIONS or code == "overloaded":
            return b""
        if code is not None or _MISSED in scope:
            self._note_missed(scope, party, code)
        decision: Decision | None = scope.pop(DECISION, None)
        if decision is None:
            # Refused before its route could count it: it counts in the hour, so that nothing can be asked for nothing.
            decision = self._windows.peek(party, self._clock()) if code == "blocked" else self._decide(scope)
        elif decision.allowed:
            free_of_hour = status == 304 and party.known  # noqa: PLR2004
            if free_of_hour or scope.get(TRANSPORT) == "wait":
                decision = self._windows.settle(decision, self._clock(), free_of_hour=free_of_hour)
        return limit_lines(decision)

    def _require_some_of_the_hour(self, scope: Scope) -> None:
        # Bodies are read and checked before a route can count, and those that break a rule would be read for nothing.
        refusal = self._windows.refusal(scope[PARTY], self._clock())
        if refusal is not None:
            scope[DECISION] = refusal
            raise limited(refusal)

    def _free_of_burst(self, wait: "_Wait") -> None:
        decision: Decision | None = wait.scope.get(DECISION)
        if decision is not None:
            wait.scope[DECISION] = self._windows.settle(decision, self._clock(), free_of_burst=True)

    def _decide(self, scope: Scope, job: str | None = None, endpoint: str = POLL) -> Decision:
        decision = self._windows.decide(scope[PARTY], self._clock(), job=job, endpoint=endpoint)
        scope[DECISION] = decision
        return decision

    def _party_of(self, client_id: str, caller: Caller) -> Party:
        if caller.grant is not None:
            return bearer(caller.grant.id, client_id, self._figures)
        return client(client_id, self._figures, self._own_hour(client_id))

    def _note_missed(self, scope: Scope, party: Party, code: str | None) -> None:
        missed: Collection[str] = scope.pop(_MISSED, ())
        # A job that was there when a wait for it began, and was deleted meanwhile, was no guess.
        if not missed and code == "job_not_found" and scope.get(TRANSPORT) != "wait":
            missed = scope.get("path_params", {}).values()
        if missed:
            self._suspects.missed(party, missed, self._clock())


class _Wait:
    """A block during which a wait is held; small, since thousands are at once."""

    __slots__ = ("_in_the_burst", "scope")

    def __init__(self, in_the_burst: "Delay[_Wait]", scope: Scope) -> None:
        self._in_the_burst = in_the_burst
        self.scope = scope

    def __enter__(self) -> None:
        self._in_the_burst.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._in_the_burst.discard(self)


def _is_forwarded(scope: Scope) -> bool:
    return field(scope, b"x-forwarded-for") is not None or field(scope, b"forwarded") is not None


class GuardedDoor:
    """A door behind which nobody comes who is shut out. A good signature or token is not bound by its address.

    Args:
        door: says who makes a request.
        guard: knows who is shut out.
    """

    def __init__(self, door: Door, guard: Guard) -> None:
        self._door = door
        self._guard = guard
        self.security = door.security

    @property
    def refuses(self) -> tuple[str, ...]:
        """The codes of its refusals."""
        return (*self._door.refuses, "rate_limited", "blocked")

    async def admit(self, scope: Scope, receive: Receive) -> Admission:
        """See `Door.admit`.

        Raises:
            TooMany: the caller is shut out; or nobody who may pass, and too often.
        """
        try:
            admission = await self._door.admit(scope, receive)
        except (Unauthenticated, BadRequest) as refusal:
            raise self._guard.refusal_of_stranger(scope, refusal) from None
        self._guard.know(scope, admission.caller)
        return admission


def note_missed(scope: Scope, ids: Collection[str]) -> None:
    """Note the ids in a request that its caller does not have, where they are others than the one in its path."""
    scope[_MISSED] = ids
