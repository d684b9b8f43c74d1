"""The door of the simple set: anybody, and the bearers of access tokens (RFC 6750)."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from starlette.types import Receive, Scope

from polling_api.api.admission import Admission
from polling_api.api.requests import header, once, query
from polling_api.domain.caller import Caller, Grant
from polling_api.errors import BadRequest, Unauthenticated
from polling_api.signing.tokens import InvalidToken

IN_QUERY = "access_token"
_TOKENS_IN_QUERY_AT = ("/events",)  # where an EventSource, which cannot set headers, connects
_CHALLENGE = b'Bearer realm="polling-api", error="invalid_token"'

_ANYBODY = Admission()


class Ends(Protocol):
    """What is known of the ends of keys; no I/O."""

    @property
    def stale(self) -> bool:
        """Whether it has not been confirmed for so long that a key may have ended unheard."""
        ...

    def ended(self, key_id: str) -> bool:
        """Whether a key is known to have been revoked, or to have expired."""
        ...


class BearersDoor:
    """Lets anybody pass, and the bearer of a token as such.

    Args:
        verified: what a token says; raises `InvalidToken`.
        ends: of the keys that tokens were made with.
    """

    refuses: tuple[str, ...] = ("token_in_query", "invalid_token", "insufficient_scope")
    security: Sequence[Mapping[str, list[str]]] = ({}, {"accessToken": []})

    def __init__(self, verified: Callable[[str], Grant], ends: Ends) -> None:
        self._verified = verified
        self._ends = ends

    async def admit(self, scope: Scope, receive: Receive) -> Admission:  # noqa: ARG002
        """See `Door.admit`."""
        token = once(scope, presented_token)
        if token is None:
            return _ANYBODY
        grant = self._good(token)
        doubt = "It cannot be said now whether the access token has been revoked." if self._ends.stale else ""
        return Admission(Caller(grant.client_id, grant.key_id, grant), doubt, partial(self._lapsed, token))

    def _good(self, token: str) -> Grant:
        try:
            grant = self._verified(token)
        except InvalidToken as error:
            raise invalid_token(str(error)) from None
        if self._ends.ended(grant.key_id):
            raise invalid_token("The access token has ended with the key that made it.")
        return grant

    def _lapsed(self, token: str) -> Unauthenticated | None:
        try:
            self._good(token)
        except Unauthenticated as refusal:
            return refusal
        return None


def presented_token(scope: Scope) -> str | None:
    """The token of a request, None where it bears no credentials.

    Raises:
        BadRequest: it stands in the query elsewhere than on an event stream (`token_in_query`), or in two places.
        Unauthenticated: the credentials are of another kind.
    """
    authorization = header(scope, b"authorization")
    queried = _queried_token(scope)
    if queried is None:
        return None if authorization is None else _bearer(authorization)
    if not scope["path"].endswith(_TOKENS_IN_QUERY_AT):
        raise _token_in_query()
    if authorization is not None or len(queried) > 1:
        raise BadRequest("The access token is given more than once.")
    return queried[0]


def refuse_token_in_query(scope: Scope) -> None:
    """Let a request pass where tokens are of no use, unless it has one in its query.

    Raises:
        BadRequest: it has (`token_in_query`).
    """
    if _queried_token(scope) is not None:
        raise _token_in_query()


def _queried_token(scope: Scope) -> list[str] | None:
    # Most requests have no query, and of those that have one hardly any has a token: it is looked for before it is
    # parsed. A name may be percent-encoded.
    raw = scope["query_string"]
    return query(scope).get(IN_QUERY) if raw and (b"access" in raw or b"%" in raw) else None


def _token_in_query() -> BadRequest:
    return BadRequest(
        "An access token in the query is taken on event streams alone: elsewhere it would end up in logs and "
        "histories. Send it as `Authorization: Bearer`.",
        code="token_in_query",
    )


def _bearer(authorization: str) -> str:
    # Of what a token consists is for its verification to say: one of a hundred jobs is long to look through twice.
    scheme, _, token = authorization.strip(" ").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise invalid_token("The credentials are no access token.")
    return token.lstrip(" ")


def invalid_token(detail: str) -> Unauthenticated:
    """The refusal of a token (RFC 6750, section 3.1)."""
    return Unauthenticated(detail, code="invalid_token", challenges=[(b"www-authenticate", _CHALLENGE)])
