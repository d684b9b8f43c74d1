"""What the audit log is told of a request."""

from typing import Final, Protocol

from starlette.types import Scope

from polling_api.api.admission import ADMISSION, Admission
from polling_api.api.checked import ROUTE, CheckedRoute
from polling_api.api.guard import ADDRESS
from polling_api.api.requests import IDS, RequestIds
from polling_api.domain.audit import Entry, actor_of
from polling_api.domain.caller import ANYBODY, Caller

REFUSALS: Final = frozenset(
    {
        "anonymous_submit_disabled",
        "anonymous_webhooks_disabled",
        "delivery_not_found",
        "endpoint_not_found",
        "insufficient_scope",
        "invalid_signature",
        "invalid_token",
        "job_not_found",
        "key_not_found",
        "misdirected_request",
        "origin_not_allowed",
        "token_in_query",
    }
)


class Count(Protocol):
    """Counts a refusal; no I/O."""

    def __call__(self, caller: Caller, *, code: str, route: str, address: str) -> None:
        """See `audit.Refusals.count`."""
        ...


def entry_of(scope: Scope, caller: Caller, action: str, *, owner: str | None, job_id: str | None = None) -> Entry:
    """The entry that says that `caller` does something now.

    Args:
        scope: the request.
        caller: who makes it.
        action: a dotted name, as `results.read`.
        owner: the client whose job, key or token it is about; None where it is nobody's.
        job_id: the job, where it is about one.
    """
    ids: RequestIds = scope[IDS]
    return Entry(
        client_id=owner,
        actor=actor_of(caller),
        action=action,
        job_id=job_id,
        address=address_of(scope),
        correlation_id=ids.correlation,
        request_id=ids.request,
    )


class RefusalsTold:
    """Has refusals counted that are about who asks: those of what is asked are the caller's own affair.

    Args:
        count: counts one.
    """

    def __init__(self, count: Count) -> None:
        self._count = count

    def __call__(self, scope: Scope, code: str) -> None:
        """Take note of a request that was answered with a problem."""
        if code in REFUSALS:
            admission: Admission | None = scope.get(ADMISSION)
            caller = admission.caller if admission else ANYBODY
            route: CheckedRoute | None = scope.get(ROUTE)
            self._count(caller, code=code, route=route.name if route else "none", address=address_of(scope))


def address_of(scope: Scope) -> str:
    """The network address that a request counts against; over a Unix socket there is none."""
    resolved: str | None = scope.get(ADDRESS)
    peer = scope.get("client")
    return resolved or (peer[0] if peer else "unix")
