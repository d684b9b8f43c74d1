"""Whether the connections that this node may open fit into the database; looked at before anything else is started."""

import asyncio

import structlog

from polling_api.errors import Unavailable
from polling_api.settings import Settings
from polling_api.store.capacity import Capacity, capacity
from polling_api.store.engine import connect
from polling_api.store.shares import TooFew, divide, most_at_each_replica
from polling_api.supervisor.errors import StartError

_WITHIN = 10.0  # seconds for each step of asking: a database that takes longer is not fit to be served from

_log = structlog.get_logger(__name__)


def check_connections(database_url: str, settings: Settings) -> None:
    """See that the node's connections go round, and that the database has as many.

    Raises:
        StartError: they do not, or it does not answer; says the figures, and which setting to change.
    """
    try:
        node = divide(settings.pool_size, settings.pool_overflow, workers=settings.workers)
    except TooFew as error:
        raise StartError(str(error)) from error
    try:
        found = asyncio.run(_asked(database_url, pooled=settings.database_pooled))
    except Unavailable as error:
        raise StartError(f"{error.detail} (POLLING_DATABASE_URL)") from error
    require_room(found, node.most, settings)
    if settings.replica_urls:
        _check_replicas(most_at_each_replica(node, workers=settings.workers), settings)


def require_room(found: Capacity, needed: int, settings: Settings) -> None:
    """Compare what a database is with what the settings make of it.

    Raises:
        StartError: that does not go together.
    """
    if found.pooled and not settings.database_pooled:
        raise StartError(
            "A pooler stands before Postgres (POLLING_DATABASE_URL). In transaction mode it loses what is prepared and "
            "set for a session: set POLLING_DATABASE_POOLED=true, and POLLING_DIRECT_URL to Postgres itself, for "
            "migrations."
        )
    if settings.database_pooled:
        if found.unlimited:
            _log.warning(
                "no statement_timeout behind the pooler: set it with ALTER ROLE … SET statement_timeout",
                seconds=settings.statement_timeout,
            )
        return  # how many it opens is the pooler's to bound
    room = found.most - found.reserved
    if needed > room:
        raise StartError(
            f"This node may open {needed} connections to Postgres: POLLING_POOL_SIZE={settings.pool_size} and "
            f"POLLING_POOL_OVERFLOW={settings.pool_overflow}, divided among {settings.workers} workers and a monitor. "
            f"Postgres has room for {room} (max_connections={found.most}, of which {found.reserved} are reserved). "
            f"Lower POLLING_POOL_OVERFLOW to {max(0, room - settings.pool_size)} or less, and further if other nodes "
            "share the database; or raise max_connections."
        )


def require_room_at_replica(number: int, found: Capacity, needed: int, settings: Settings) -> None:
    """Compare what a replica is with what the settings make of it.

    Raises:
        StartError: it has room for less.
    """
    room = found.most - found.reserved
    if not settings.database_pooled and needed > room:
        raise StartError(
            f"This node may open {needed} connections to replica {number} (POLLING_REPLICA_URLS), which has room for "
            f"{room} (max_connections={found.most}, of which {found.reserved} are reserved). Lower "
            "POLLING_POOL_OVERFLOW or POLLING_WORKERS; or raise max_connections."
        )


def _check_replicas(needed: int, settings: Settings) -> None:
    """See that each has the connections; one that is not there yet is just out until it is."""
    for number, found in enumerate(asyncio.run(_all_asked(settings)), start=1):
        if isinstance(found, Capacity):
            require_room_at_replica(number, found, needed, settings)
        else:
            _log.warning("a replica cannot be asked yet", number=number, reason=str(found.__cause__ or found))


async def _all_asked(settings: Settings) -> list[Capacity | BaseException]:
    urls = [url.get_secret_value() for url in settings.replica_urls]
    asked = (_asked(url, pooled=settings.database_pooled) for url in urls)
    return await asyncio.gather(*asked, return_exceptions=True)


async def _asked(database_url: str, *, pooled: bool) -> Capacity:
    engine = connect(
        database_url,
        pool_size=1,
        max_overflow=0,
        pool_timeout=_WITHIN,
        statement_timeout=_WITHIN,
        application_name="polling-api start",
        pooled=pooled,
    )
    try:
        return await capacity(engine)
    finally:
        await engine.dispose()
