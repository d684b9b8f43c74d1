"""What the audit log is told of a request."""

from starlette.types import Scope

from polling_api.domain.audit import Entry, actor_of
from polling_api.domain.caller import Caller


def entry_of(scope: Scope, caller: Caller, action: str, *, owner: str | None, job_id: str | None = None) -> Entry:
    """The entry that says that `caller` does something now.

    Args:
        scope: the request.
        caller: who makes it.
        action: a dotted name, as `results.read`.
        owner: the client whose job, key or token it is about; None where it is nobody's.
        job_id: the job, where it is about one.
    """
    return Entry(
        client_id=owner,
        actor=actor_of(caller),
        action=action,
        job_id=job_id,
        address=address_of(scope),
        correlation_id=scope["polling.correlation_id"],
        request_id=scope["polling.request_id"],
    )


def address_of(scope: Scope) -> str:
    """The network address a request came from; over a Unix socket there is none."""
    peer = scope.get("client")
    return peer[0] if peer else "unix"
