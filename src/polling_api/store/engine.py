"""How Postgres is reached: pools, time limits, and connections that are safe to give back."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from polling_api.store.availability import answering
from polling_api.store.guard import Guard

Engine = AsyncEngine
"""A pool of connections, by the name under which those above know it, who know no SQLAlchemy."""


class GuardedEngine(AsyncEngine):
    """A pool that lends nothing while its circuit is open."""

    def __init__(self, engine: AsyncEngine, guard: Guard) -> None:
        super().__init__(engine.sync_engine)
        self.guard = guard


CONNECT_TIMEOUT = 5.0  # seconds: a primary that takes longer to greet is of no use to a request
RECYCLE_AFTER = 1800  # seconds: a pool follows a failover behind one address without a restart of ours
# SQLSTATE (PostgreSQL manual, appendix A): shut down by its operator, after a crash, or for idling.
_FAREWELLS = frozenset({"57P01", "57P02", "57P05", "25P03"})
GRACE = 1.0  # seconds the server has to end a slow statement itself, before the driver gives up on it


def connect(
    url: str,
    *,
    pool_size: int,
    max_overflow: int,
    pool_timeout: float,
    statement_timeout: float,
    application_name: str,
    guard: Guard | None = None,
) -> AsyncEngine:
    """Make a pool of connections; nothing is opened yet.

    A statement that is too slow is ended by the server. One that the server does not even answer (it is
    frozen, or the network is gone) is given up by the driver a little later, so no call hangs.

    Args:
        url: `postgres://`, `postgresql://` or `postgresql+asyncpg://`; libpq's `sslmode` is understood.
            Behind PgBouncer's transaction mode add `?statement_cache_size=0&prepared_statement_cache_size=0`.
        pool_size: connections held open.
        max_overflow: connections beyond those, closed after use.
        pool_timeout: seconds to wait for a connection.
        statement_timeout: seconds for a statement; also how long a transaction of ours may idle.
        application_name: shown in `pg_stat_activity`.
        guard: the circuit breakers that are asked before each use; None for none.
    """
    address = driver_url(url)
    engine = create_async_engine(
        address,
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=pool_timeout,
        pool_recycle=RECYCLE_AFTER,
        hide_parameters=True,  # an error would repeat them: what clients sent, and sealed secrets
        connect_args={
            "timeout": CONNECT_TIMEOUT,
            "command_timeout": statement_timeout + GRACE,
            "server_settings": {"application_name": application_name},
            **driver_numbers(address),
        },
    )
    _limit_statements(engine, statement_timeout)
    _refuse_dead_connections(engine)
    _give_up_dying_connections(engine)
    return engine if guard is None else GuardedEngine(engine, guard)


def driver_url(url: str) -> URL:
    """Turn any spelling of a Postgres address into SQLAlchemy's for asyncpg."""
    parsed = make_url(url.replace("postgres://", "postgresql://", 1))
    return parsed.set(drivername="postgresql+asyncpg", query=_driver_options(parsed.query))


def _driver_options(query: Mapping[str, Any]) -> dict[str, Any]:
    options = dict(query)
    if "sslmode" in options:  # libpq's name for what asyncpg calls `ssl`, with the same values
        options["ssl"] = options.pop("sslmode")
    return options


def driver_numbers(address: URL) -> dict[str, int]:
    """The address's options that asyncpg wants as numbers, and SQLAlchemy hands on as text."""
    return {name: int(str(address.query[name])) for name in ("statement_cache_size",) if name in address.query}


@asynccontextmanager
async def statements(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection, None]:
    """Lend a connection on which each statement is a transaction: half the cost of `BEGIN … COMMIT`.

    For reads, and for writes that one statement does.

    Raises:
        Unavailable: the database did not answer.
    """
    with _guarded(engine), answering():
        async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            _look_again(engine)
            yield connection


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection, None]:
    """Lend a connection within one transaction, committed at the end of the block, or else rolled back.

    Raises:
        Unavailable: the database did not answer; the transaction may or may not have been committed.
    """
    with _guarded(engine), answering():
        async with engine.connect() as connection:
            _look_again(engine)
            try:
                yield connection
                await connection.commit()
            except TimeoutError:
                # SQLAlchemy gives up a connection whose statement was not answered, but a COPY runs unseen by it
                # on the driver's own: the rollback of one that was not answered would wait for as long again.
                await connection.invalidate()
                raise


def _guarded(engine: AsyncEngine) -> AbstractContextManager[None]:
    return engine.guard.attempt() if isinstance(engine, GuardedEngine) else nullcontext()


def _look_again(engine: AsyncEngine) -> None:
    """Whoever waited for a connection until the circuit opened would only wait on, for the answer."""
    if isinstance(engine, GuardedEngine):
        engine.guard.require_closed()


def _limit_statements(engine: AsyncEngine, seconds: float) -> None:
    """Set the server's own limits after connecting: PgBouncer refuses them as start-up parameters."""
    milliseconds = round(seconds * 1000)

    async def limit(driver: Any) -> None:
        await driver.execute(f"SET statement_timeout = {milliseconds}")
        await driver.execute(f"SET idle_in_transaction_session_timeout = {milliseconds}")

    @event.listens_for(engine.sync_engine, "connect")
    def set_limits(connection: Any, _record: object) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.run_async(limit)


def _refuse_dead_connections(engine: AsyncEngine) -> None:
    """Look at a connection before it is lent: the driver has already seen a restarted server hang up.

    This asks nothing of the server, where a pre-ping would cost every read a round trip.
    """

    @event.listens_for(engine.sync_engine, "checkout")
    def look(connection: Any, _record: object, _proxy: object) -> None:  # pyright: ignore[reportUnusedFunction]
        if connection.driver_connection.is_closed():
            raise DisconnectionError


def _give_up_dying_connections(engine: AsyncEngine) -> None:
    """Take a server's farewell for the end of the connection, which the driver sees only when the socket closes.

    Lent again in between, the connection would fail in a way that looks like a mistake of ours.
    """

    @event.listens_for(engine.sync_engine, "handle_error")
    def hear(context: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        if getattr(context.original_exception, "sqlstate", None) in _FAREWELLS:
            context.is_disconnect = True
        if isinstance(context.original_exception, TimeoutError) and context.connection is not None:
            # Whoever does not answer is not said farewell to either, for which SQLAlchemy would wait 2 s more.
            context.connection.connection.driver_connection.terminate()
