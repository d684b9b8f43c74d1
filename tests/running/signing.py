"""Clients that sign, for tests over HTTP: made in the database as the command line makes them."""

import base64
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import create_async_engine

from polling_api.domain.audit import OPERATOR, Entry
from polling_api.domain.client import new_client_id, new_key_id
from polling_api.signing.canonical import RequestHead, sign
from polling_api.signing.vault import Vault, new_secret
from polling_api.store import clients
from polling_api.store.engine import driver_url
from polling_api.store.key_rows import NewKey
from running.planted import plant
from running.service import MASTER_KEY


@dataclass(frozen=True, slots=True)
class Credentials:
    """A client's key, with its secret as base64."""

    client_id: str
    key_id: str
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        plant(self.secret)


class Signed(httpx.Auth):
    """Signs each request that goes out, as RFC 9421 and the contract say.

    Args:
        credentials: with which.
        ahead: seconds by which `created` is later than now.
        nonce: one for all requests, in place of a fresh one for each.
        also: names of further header fields that are covered.
    """

    requires_request_body = True

    def __init__(
        self, credentials: Credentials, *, ahead: float = 0, nonce: str | None = None, also: Sequence[str] = ()
    ) -> None:
        self._credentials = credentials
        self._ahead = ahead
        self._nonce = nonce
        self._also = also

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers.update(self.headers_for(request))
        yield request

    def headers_for(self, request: httpx.Request) -> dict[str, str]:
        """The header fields that sign a request."""
        path, _, query = request.url.raw_path.partition(b"?")
        head = RequestHead(
            method=request.method,
            authority=request.headers["host"],
            raw_path=path,
            raw_query=query,
            scheme=request.url.scheme,
            headers=[(name.lower(), value) for name, value in request.headers.raw],
        )
        return sign(
            head,
            key_id=self._credentials.key_id,
            secret=base64.b64decode(self._credentials.secret),
            now=time.time() + self._ahead,
            body=request.content,
            also=self._also,
            nonce=self._nonce,
        )


async def new_client(database_url: str, name: str = "somebody") -> Credentials:
    """Make a client with a key in the service's database."""
    client_id, key_id, secret = new_client_id(), new_key_id(), new_secret()
    sealed = Vault([MASTER_KEY]).seal(key_id, secret)
    entry = Entry(client_id=client_id, actor=OPERATOR, action="client.create")
    engine = create_async_engine(driver_url(database_url), poolclass=NullPool)
    await clients.create(engine, client_id, name, NewKey(key_id, sealed), entry=entry)
    return Credentials(client_id, key_id, base64.b64encode(secret).decode())


@asynccontextmanager
async def signing_client(base_url: str, credentials: Credentials) -> AsyncGenerator[httpx.AsyncClient]:
    """Asks as a client that signs."""
    async with httpx.AsyncClient(base_url=base_url, timeout=20, trust_env=False, auth=Signed(credentials)) as asking:
        yield asking
