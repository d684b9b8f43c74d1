"""The door of the signed set: clients, by signed requests (RFC 9421)."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from starlette.types import Message, Receive, Scope

from polling_api.api.admission import Admission
from polling_api.api.bearers import Ends, refuse_token_in_query
from polling_api.api.requests import header
from polling_api.domain.caller import Caller
from polling_api.errors import Unauthenticated, Unavailable
from polling_api.signing.canonical import DigestCheck, RequestHead
from polling_api.signing.challenge import accept_signature, www_authenticate
from polling_api.signing.invalid import InvalidSignature, Rule
from polling_api.signing.nonces import Burnt
from polling_api.signing.verifier import Verifier

# Bytes of a body that is compared with its digest before anything is done for it. Longer ones are batches, which are
# compared while they come in, and stored only when all of them has come.
READ_AHEAD = 64 * 1024

_UNHEARD = "It cannot be said now whether this request was sent before, or its key has been revoked."


class SignersDoor:
    """Lets clients pass who have signed the request.

    Args:
        verifier: of signatures.
        ends: of keys.
        used: told of each key that let a client in.
    """

    refuses: tuple[str, ...] = ("token_in_query", "invalid_signature")
    security: Sequence[Mapping[str, list[str]]] = ({"signature": []},)

    def __init__(self, verifier: Verifier, ends: Ends, used: Callable[[str], None]) -> None:
        self._verifier = verifier
        self._ends = ends
        self._used = used

    async def admit(self, scope: Scope, receive: Receive) -> Admission:
        """See `Door.admit`."""
        refuse_token_in_query(scope)
        has_body = _has_body(scope)
        try:
            verified = await self._verifier.verify(_head_of(scope), has_body=has_body)
            # Also where there is none: whoever takes the body away must not make it another request.
            check = verified.content_digest and DigestCheck(verified.content_digest)
            body = await _checked_body(check, receive) if check else None
        except InvalidSignature as error:
            raise _refusal(error, has_body=has_body) from None
        key = verified.key
        self._used(key.id)
        doubt = _UNHEARD if verified.burnt is Burnt.UNSURE or self._ends.stale else ""
        return Admission(Caller(key.client_id, key.id), doubt, partial(self._lapsed, key.id), body)

    def _lapsed(self, key_id: str) -> Unauthenticated | None:
        try:
            return ended_meanwhile() if self._ends.ended(key_id) else None
        except Unavailable:
            # In a process's first moments. The key was good when the request came: that was asked of the primary.
            return None


def ended_meanwhile() -> Unauthenticated:
    """The refusal of a client whose key was good when its request came, and is not any more."""
    return _refusal(InvalidSignature(Rule.SIGNATURE), has_body=False)


def _head_of(scope: Scope) -> RequestHead:
    return RequestHead(
        method=scope["method"],
        authority=header(scope, b"host") or "",
        raw_path=scope["raw_path"],
        raw_query=scope["query_string"],
        scheme=scope["scheme"],
        headers=scope["headers"],
    )


def _has_body(scope: Scope) -> bool:
    length = header(scope, b"content-length")
    return header(scope, b"transfer-encoding") is not None or length not in {None, "0"}


async def _checked_body(check: DigestCheck, receive: Receive) -> Receive:
    """The body, read ahead as far as it may be: a short one is compared also where nobody reads it."""
    checked = _Checked(check, receive)
    messages: list[Message] = []
    unread = READ_AHEAD
    while unread > 0:
        message = await checked()
        messages.append(message)
        unread -= len(message.get("body", b""))
        if not message.get("more_body"):
            return _Replayed(messages, receive)
    return _Replayed(messages, checked)


class _Checked:
    """A body that is found out at its end if it is not the one that was signed."""

    def __init__(self, check: DigestCheck, receive: Receive) -> None:
        self._check = check
        self._receive = receive

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._check.update(message.get("body", b""))
            if not message.get("more_body") and not self._check.matches():
                raise _refusal(InvalidSignature(Rule.BODY), has_body=True)
        return message


class _Replayed:
    """What was read already, and then what comes after it."""

    def __init__(self, messages: list[Message], receive: Receive) -> None:
        self._messages = messages[::-1]
        self._receive = receive

    async def __call__(self) -> Message:
        return self._messages.pop() if self._messages else await self._receive()


def _refusal(error: InvalidSignature, *, has_body: bool) -> Unauthenticated:
    return Unauthenticated(
        error.detail,
        code=error.code,
        challenges=[
            (b"www-authenticate", www_authenticate(error.rule).encode()),
            (b"accept-signature", accept_signature(has_body=has_body).encode()),
        ],
    )
