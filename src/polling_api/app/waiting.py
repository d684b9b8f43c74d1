"""What a process waits for before it begins: Postgres, with the schema of this release."""

import asyncio
import time

import structlog

from polling_api.app.connections import database_url
from polling_api.errors import Unavailable
from polling_api.settings import Settings
from polling_api.store.engine import Engine, connect
from polling_api.store.migrate import lacking

_ASK_EVERY = 1.0  # seconds
_UNMIGRATED = "The database lacks what this release keeps in it: `polling-api migrate` brings it up to date."

_log = structlog.get_logger(__name__)


class NotThere(Exception):
    """What has to be there was not in time; the message says what."""


async def until_there(settings: Settings) -> None:
    """Wait until the database answers and has this release's schema, and say for what is waited.

    Redis is not waited for: it only carries hints, and may come later.

    Raises:
        NotThere: it has not within `start_within` seconds.
    """
    engine = connect(
        database_url(settings),
        pool_size=1,
        max_overflow=0,
        pool_timeout=settings.pool_timeout,
        connect_timeout=settings.connect_timeout,
        statement_timeout=settings.statement_timeout,
        application_name="polling-api start",
        pooled=settings.database_pooled,
    )
    deadline = time.monotonic() + settings.start_within
    try:
        while reason := await _missing(engine):
            left = deadline - time.monotonic()
            if left <= 0:
                raise NotThere(f"{reason} It was waited for {settings.start_within:g} s (POLLING_START_WITHIN).")
            _log.warning("waiting for Postgres", reason=reason, at_most=round(left))
            await asyncio.sleep(min(_ASK_EVERY, left))
    finally:
        await engine.dispose()


async def _missing(engine: Engine) -> str:
    """What is not there yet; empty when all is."""
    try:
        return _UNMIGRATED if await lacking(engine) else ""
    except Unavailable as error:
        return f"{error.detail} (POLLING_DATABASE_URL)"
