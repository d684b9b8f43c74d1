"""Clients and keys of tests, made as the command line makes them."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.audit import OPERATOR, Entry
from polling_api.domain.client import new_client_id, new_key_id
from polling_api.signing.vault import Vault, new_secret
from polling_api.store import clients, keys
from polling_api.store.key_rows import KeyRow, NewKey

ENTRY = Entry(client_id=None, actor=OPERATOR, action="made.up")
VAULT = Vault(["a master key for tests alone"])


class Made(NamedTuple):
    """A key that was just made, with its secret."""

    row: KeyRow
    secret: bytes

    @property
    def id(self) -> str:
        return self.row.id


def sealed(vault: Vault = VAULT) -> tuple[NewKey, bytes]:
    """A key to be made, and its secret."""
    key_id, secret = new_key_id(), new_secret()
    return NewKey(key_id, vault.seal(key_id, secret)), secret


def new_key() -> NewKey:
    """A key to be made, whose secret nobody needs."""
    return sealed()[0]


async def make_client(engine: AsyncEngine, name: str = "demo", *, vault: Vault = VAULT) -> Made:
    """A new client's first key; its `row.client_id` is the client."""
    new, secret = sealed(vault)
    _, row = await clients.create(engine, new_client_id(), name, new, entry=ENTRY)
    return Made(row, secret)


async def make_key(engine: AsyncEngine, client_id: str, *, vault: Vault = VAULT, **how: Any) -> Made:
    """One more key of a client."""
    new, secret = sealed(vault)
    return Made(await keys.make(engine, client_id, new, entry=ENTRY, **how), secret)


async def make_chain(engine: AsyncEngine, first: Made, length: int) -> list[Made]:
    """Keys of which each made the next, beginning with `first`."""
    chain = [first]
    while len(chain) < length:
        chain.append(await make_key(engine, first.row.client_id, made_by=chain[-1].id))
    assert all(later.row.made_by == earlier.id for earlier, later in pairwise(chain))
    return chain


def about(moment: datetime | None, expected: datetime) -> bool:
    """Whether a moment is the expected one, give or take what a busy machine takes for a few statements."""
    return moment is not None and abs(moment - expected) < timedelta(seconds=30)
