"""How a command comes by the database and the vault, wherever they are, and what it says where it cannot."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from polling_api.commands.start import fail, read_settings
from polling_api.domain.audit import OPERATOR, Entry
from polling_api.domain.client import new_key_id
from polling_api.embedded import EmbeddedError
from polling_api.errors import PollingError
from polling_api.signing.vault import SealedError, Vault, new_secret, shown
from polling_api.store import engine as engines
from polling_api.store import resealing
from polling_api.store.engine import Engine
from polling_api.store.key_rows import NewKey
from polling_api.store.migrate import MigrationError, migrated
from polling_api.supervisor.database import Database, database
from polling_api.supervisor.errors import StartError

WITHIN = 15.0  # seconds for a statement, as the service has

Answer = TypeVar("Answer")


def reach(work: Callable[[Engine, Vault], Awaitable[Answer]]) -> Answer:
    """Do some work on the database that the settings name, or on the embedded one, with the secrets in it.

    What keeps it from being done ends the command with a sentence.
    """
    return _reach(lambda engine, found: work(engine, Vault(found.master_keys)), sealed=True)


def look(work: Callable[[Engine], Awaitable[Answer]]) -> Answer:
    """Like `reach`, for what needs no secret, and so no master key."""
    return _reach(lambda engine, _: work(engine), sealed=False)


def _reach(work: Callable[[Engine, Database], Awaitable[Answer]], *, sealed: bool) -> Answer:
    settings = read_settings()
    try:
        with database(settings, sealed=sealed) as found, migrated():
            return asyncio.run(_working(found, work, pooled=settings.database_pooled))
    except PollingError as error:
        fail(error.detail, 1)
    except (StartError, EmbeddedError, MigrationError, SealedError) as error:
        fail(str(error), 1)


async def _working(found: Database, work: Callable[[Engine, Database], Awaitable[Answer]], *, pooled: bool) -> Answer:
    engine = engines.connect(
        found.url,
        pool_size=1,
        max_overflow=0,
        pool_timeout=WITHIN,
        statement_timeout=WITHIN,
        application_name="polling-api command",
        pooled=pooled,
    )
    try:
        return await work(engine, found)
    finally:
        await engine.dispose()


def done(action: str, client_id: str | None = None) -> Entry:
    """What the audit log is told of something that the operator does here."""
    return Entry(client_id=client_id, actor=OPERATOR, action=action)


async def new_key(engine: Engine, vault: Vault) -> tuple[NewKey, str]:
    """A key to be made, and its secret as its owner is shown it.

    Raises:
        SealedError: the master keys here do not open what is in the database. The service could not open, in turn,
            what is sealed here.
    """
    for kept in await resealing.read(engine, limit=1):
        vault.open(kept.owner_id, kept.sealed)
    key_id, secret = new_key_id(), new_secret()
    return NewKey(key_id, vault.seal(key_id, secret)), shown(secret)
