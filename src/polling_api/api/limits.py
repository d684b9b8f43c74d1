"""slowapi, where limits are declared beside the routes that they guard.

slowapi gives the decorators, the reading of `"60/minute"`, and the error; who decides is `ratelimit.Windows`, which
counts a request in all of its limits or in none. (slowapi itself counts in those before the one that refuses, and looks
at the signatures of its key functions at each request.) Headers are set in one place for all answers: slowapi's own
come out three times.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

from limits.strategies import SlidingWindowCounterRateLimiter
from slowapi import Limiter
from slowapi.errors import RateLimitExceeded
from slowapi.wrappers import Limit
from starlette.requests import Request
from starlette.types import Scope

from polling_api import metrics
from polling_api.errors import TooMany
from polling_api.ratelimit.counters import BURST, Counters
from polling_api.ratelimit.party import Figures, Party
from polling_api.ratelimit.storage import CountersStorage
from polling_api.ratelimit.windows import HOUR_SCOPE, Decision, Window, Windows

Route = TypeVar("Route", bound=Callable[..., Any])

PARTY = "polling.party"  # where a request's `Party` is in its scope
DECISION = "polling.limits"  # where what was decided is, for the headers of the answer


def party_key(request: Request) -> str:
    """Whom a request counts against."""
    return cast("Party", request.scope[PARTY]).key


class RouteLimiter(Limiter):
    """Guards ordinary routes; `limit`, `shared_limit` and `exempt` are slowapi's.

    Args:
        counters: what is counted here, and shared.
        windows: decides, over the same counters.
        figures: as they are meant.
        clock: gives epoch seconds.
    """

    def __init__(self, counters: Counters, windows: Windows, figures: Figures, clock: Callable[[], float]) -> None:
        super().__init__(key_func=party_key, headers_enabled=False)
        storage = CountersStorage(counters, clock)
        self._storage = storage
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._counters = counters
        self._windows = windows
        self._of_a_job = f"{figures.job_minute}/minute; {figures.burst} per {BURST} second"
        self._clock = clock

    def get_app_config(self, key: str, default_value: Any = None) -> Any:  # noqa: ARG002 - slowapi's signature
        """No setting but those passed in: slowapi would read the environment, and a `.env` of whichever folder."""
        return default_value

    def hourly(self, weight: int | Callable[[Request], int] = 1) -> Callable[[Route], Route]:
        """Decorates a route without a job, which counts in its caller's hour alone, with the caller's own figure."""
        # slowapi's decorators have no types.
        shared = cast("Callable[..., Any]", self.shared_limit)  # pyright: ignore[reportUnknownMemberType]
        return shared("1000/hour", scope=HOUR_SCOPE, cost=weight)

    def of_a_job(self) -> Callable[[Route], Route]:
        """Decorates a route about one job, which counts in the hour, and by its path in the minute and the burst."""
        limit = cast("Callable[..., Any]", self.limit)  # pyright: ignore[reportUnknownMemberType]
        by_path, by_hour = limit(self._of_a_job), self.hourly()
        return lambda route: by_hour(by_path(route))

    def _check_request_limit(
        self,
        request: Request,
        endpoint_func: Callable[..., Any] | None,
        in_middleware: bool = True,  # noqa: FBT001, FBT002 - slowapi's signature
    ) -> None:
        """Count a request in all of its route's limits.

        Raises:
            RateLimitExceeded: one of them refuses; it is counted in none.
        """
        if endpoint_func is None or in_middleware or not self.enabled:
            return
        name = f"{endpoint_func.__module__}.{endpoint_func.__name__}"
        if name in self._exempt_routes:
            return
        limits = [limit for limit in self._declared(name, request) if _applies(limit, request)]
        if not limits:
            return
        party = cast("Party", request.scope[PARTY])
        windows = [self._window(limit, party, request) for limit in limits]
        decision = self._windows.weigh(windows, _weight(limits, request), self._clock())
        request.scope[DECISION] = decision
        request.state.view_rate_limit = None  # slowapi's own headers would be made of it
        if not decision.allowed:
            kinds = [table.kind for table, _, _ in windows]
            raise RateLimitExceeded(limits[kinds.index(decision.which)])

    def _declared(self, name: str, request: Request) -> Iterable[Limit]:
        yield from self._route_limits.get(name, ())
        for group in self._dynamic_route_limits.get(name, ()):
            yield from group.with_request(request)  # pyright: ignore[reportUnknownMemberType]

    def _window(self, limit: Limit, party: Party, request: Request) -> Window:
        hourly = limit.scope == HOUR_SCOPE
        path = request.scope["path"]
        scope = limit.scope or (path if len(path) <= _LONGEST_PATH and path.isascii() else _NOWHERE)
        if limit.per_method:
            scope += f":{request.method}"
        key = party.key if limit.key_func is party_key else limit.key_func(request)
        table = self._counters.table(limit.limit.get_expiry())
        return table, f"{key}/{scope}", party.hour if hourly else limit.limit.amount


def limited(decision: Decision) -> TooMany:
    """The error that tells a refusal."""
    metrics.refusals(decision.which).inc()
    return TooMany(
        f"More than {decision.limit} requests in {_LENGTHS.get(decision.which, decision.which)}.",
        retry_after=decision.retry_after,
    )


def blocked(seconds: int) -> TooMany:
    """The error that tells a block that lasts so many more seconds."""
    metrics.refusals("block").inc()
    return TooMany("Too many unknown ids or wrong signatures came from you.", code="blocked", retry_after=seconds)


def limit_lines(decision: Decision) -> bytes:
    """The lines of the headers that every answer below `/api/` has, once."""
    return b"x-ratelimit-limit: %d\r\nx-ratelimit-remaining: %d\r\nx-ratelimit-reset: %d\r\n" % (
        decision.limit,
        decision.remaining,
        decision.reset,
    )


def refusal_of(scope: Scope) -> TooMany:
    """The error that tells the `RateLimitExceeded` of a request."""
    return limited(cast("Decision", scope[DECISION]))


_LONGEST_PATH = 160  # characters; what is longer, or is not ASCII, leads to nothing of ours, and counts as one path
_NOWHERE = "nowhere"

_LENGTHS = {"hour": "an hour", "minute": "a minute for this job", "burst": "10 s for this job"}


def _applies(limit: Limit, request: Request) -> bool:
    if limit.methods is not None and request.method.lower() not in limit.methods:
        return False
    return not limit.is_exempt(request)


def _weight(limits: Sequence[Limit], request: Request) -> int:
    costs = [limit.cost(request) if callable(limit.cost) else limit.cost for limit in limits]
    return max(costs)
