"""Access tokens: what a client lets their bearer see and do, signed, so that they are verified without a lookup."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import time
from typing import Final

import msgspec
from itsdangerous import BadSignature

from polling_api.domain.caller import Grant, Scope
from polling_api.signing.derivation import derived
from polling_api.signing.exact_signer import ExactSigner

PREFIX: Final = "pat_"  # tells what it is to whoever finds one, and to what masks secrets in logs
LONGEST: Final = 4096  # characters; one of 100 jobs has 2,400
MOST_KEPT: Final = 50_000  # verified tokens and the jobs that they name, together: some 10 MiB

_PURPOSE = "access tokens"
_ID_BYTES = 16
_SCOPES = tuple(Scope)  # a token holds a bit for each, in this order: new ones are added at the end


class _Claims(msgspec.Struct, array_like=True, frozen=True):
    """What is signed. Ids are the random bytes alone: a token stands in headers and URLs, again with each request."""

    token: bytes
    client: bytes
    key: bytes
    scopes: int
    expires_at: int  # milliseconds
    jobs: bytes | None


_decoder = msgspec.msgpack.Decoder(_Claims)
_encoder = msgspec.msgpack.Encoder()


class InvalidToken(Exception):
    """It is none that was given out, or it has expired."""


class Tokens:
    """Makes and verifies access tokens.

    Args:
        master_keys: the key of the first signs, all verify, so that they can be replaced without a token lost.
        clock: seconds since the epoch.

    Raises:
        ValueError: there is no master key.
    """

    def __init__(self, master_keys: Sequence[str], *, clock: Callable[[], float] = time) -> None:
        keys = derived(master_keys, _PURPOSE)
        self._signer = ExactSigner(keys[::-1], salt=b"grant")
        self._clock = clock
        self._verified: OrderedDict[str, Grant] = OrderedDict()
        self._weight = 0

    def token_for(self, grant: Grant) -> str:
        """The token that says `grant`: printable ASCII that needs no escape in a header or a URL."""
        claims = _Claims(
            token=_random_part(grant.id),
            client=_random_part(grant.client_id),
            key=_random_part(grant.key_id),
            scopes=sum(1 << bit for bit, scope in enumerate(_SCOPES) if scope in grant.scopes),
            expires_at=round(grant.expires_at.timestamp() * 1000),
            jobs=None if grant.jobs is None else b"".join(map(_random_part, sorted(grant.jobs))),
        )
        signed = self._signer.sign(urlsafe_b64encode(_encoder.encode(claims)).rstrip(b"="))
        return PREFIX + signed.decode()

    def verified(self, token: str) -> Grant:
        """What `token` says. Whether its key has been revoked meanwhile is for the caller to ask.

        Raises:
            InvalidToken: it is none of ours, or has expired.
        """
        grant = self._verified.get(token)
        if grant is None:
            grant = self._verify(token)
            self._keep(token, grant)
        else:
            self._verified.move_to_end(token)
        if grant.expires_at.timestamp() <= self._clock():
            raise InvalidToken("The access token has expired.")
        return grant

    def _verify(self, token: str) -> Grant:
        if not token.startswith(PREFIX) or len(token) > LONGEST:
            raise InvalidToken("The access token is none that was given out here.")
        try:
            signed = self._signer.unsign(token.removeprefix(PREFIX).encode("ascii"))
            claims = _decoder.decode(urlsafe_b64decode(signed + b"=" * (-len(signed) % 4)))
        except (BadSignature, UnicodeEncodeError, ValueError, msgspec.DecodeError):
            raise InvalidToken("The access token is none that was given out here.") from None
        return _grant_of(claims)

    def _keep(self, token: str, grant: Grant) -> None:
        self._verified[token] = grant
        self._weight += _weight_of(grant)
        while self._weight > MOST_KEPT:
            _, dropped = self._verified.popitem(last=False)
            self._weight -= _weight_of(dropped)


def _weight_of(grant: Grant) -> int:
    return 1 + len(grant.jobs or ())


def _grant_of(claims: _Claims) -> Grant:
    return Grant(
        id=f"tok_{claims.token.hex()}",
        client_id=f"cl_{claims.client.hex()}",
        key_id=f"key_{claims.key.hex()}",
        jobs=None if claims.jobs is None else frozenset(_job_ids(claims.jobs)),
        scopes=frozenset(scope for bit, scope in enumerate(_SCOPES) if claims.scopes >> bit & 1),
        expires_at=datetime.fromtimestamp(claims.expires_at / 1000, UTC),
    )


def _job_ids(joined: bytes) -> list[str]:
    return [f"job_{joined[at : at + _ID_BYTES].hex()}" for at in range(0, len(joined), _ID_BYTES)]


def _random_part(identifier: str) -> bytes:
    return bytes.fromhex(identifier.partition("_")[2])
