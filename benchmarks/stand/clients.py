"""A client of the service, with what it signs requests with."""

import time
from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import create_async_engine

from polling_api.domain.audit import OPERATOR, Entry
from polling_api.domain.caller import Grant, Scope
from polling_api.domain.client import new_client_id, new_key_id
from polling_api.signing.canonical import RequestHead, sign
from polling_api.signing.tokens import Tokens
from polling_api.signing.vault import Vault, new_secret
from polling_api.store import clients
from polling_api.store.engine import driver_url
from polling_api.store.key_rows import NewKey
from stand.service import MASTER_KEY


@dataclass(frozen=True, slots=True)
class Client:
    """A client and its one key."""

    id: str
    key_id: str
    secret: bytes = field(repr=False)

    def signature(self, method: str, url: str, body: bytes = b"") -> Mapping[str, str]:
        """The headers that sign a request, with a nonce of its own."""
        head = RequestHead.to(method, url)
        return sign(head, key_id=self.key_id, secret=self.secret, now=time.time(), body=body)

    def token(self, jobs: Collection[str]) -> str:
        """A token by which the status of some jobs may be read for an hour."""
        ends = datetime.now(UTC) + timedelta(hours=1)
        grant = Grant(f"tok_{'0' * 32}", self.id, self.key_id, frozenset(jobs), frozenset({Scope.STATUS}), ends)
        return Tokens([MASTER_KEY]).token_for(grant)


class Signing(httpx.Auth):
    """Signs what httpx sends."""

    requires_request_body = True

    def __init__(self, client: Client) -> None:
        self._client = client

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See `httpx.Auth`."""
        request.headers.update(self._client.signature(request.method, str(request.url), request.content))
        yield request


async def new_client(database_url: str) -> Client:
    """Make a client in the service's database."""
    client = Client(new_client_id(), new_key_id(), new_secret())
    key = NewKey(client.key_id, Vault([MASTER_KEY]).seal(client.key_id, client.secret))
    entry = Entry(client_id=client.id, actor=OPERATOR, action="client.create")
    engine = create_async_engine(driver_url(database_url), poolclass=NullPool)
    await clients.create(engine, client.id, "benchmark", key, entry=entry)
    return client
