"""Who asks: somebody who knows a job's id, the bearer of an access token, or a client that signs."""

import time
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

import httpx

from polling_api.commands.sign import BadCredentials, Credentials, kept_in
from polling_api.signing.canonical import RequestHead, sign


class Caller(NamedTuple):
    """Who asks: the path of the set of endpoints, and what is added to requests."""

    base: str = "/api/v1/jobs"
    auth: httpx.Auth | None = None


def caller_of(client: Path | None, token_file: Path | None) -> Caller:
    """Who asks with what is in a file; somebody without credentials where there is none.

    Args:
        client: a file as `clients create --json` writes it.
        token_file: a file that holds an access token.

    Raises:
        BadCredentials: there are both, or a file holds something else.
    """
    if client is not None and token_file is not None:
        raise BadCredentials("A client signs, or a token is shown: not both.")
    if client is not None:
        return Caller("/api/v1/batch-status", _Signing(kept_in(client)))
    return Caller(auth=_Bearing(_token_in(token_file))) if token_file is not None else Caller()


def _token_in(path: Path) -> str:
    try:
        token = path.read_text().strip()
    except OSError as error:
        raise BadCredentials(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        token = ""
    if not token or not token.isascii() or len(token.split()) != 1:
        raise BadCredentials(f"{path} does not hold an access token.")
    return token


class _Signing(httpx.Auth):
    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        head = RequestHead.to(request.method, str(request.url))
        kept = self._credentials
        request.headers.update(sign(head, key_id=kept.key_id, secret=kept.secret, now=time.time()))
        yield request


class _Bearing(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request
