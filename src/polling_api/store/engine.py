"""How Postgres is reached: pools, time limits, and connections that are safe to give back."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any

from sqlalchemy import URL, event, func, make_url, select, true
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from polling_api.store.availability import answering
from polling_api.store.guard import Guard

Engine = AsyncEngine
"""A pool of connections, by the name under which those above know it, who know no SQLAlchemy."""


class GuardedEngine(AsyncEngine):
    """A pool that lends nothing while its circuit is open, and sets `within` anew in each transaction."""

    def __init__(self, engine: AsyncEngine, guard: Guard | None, within: Mapping[str, float] | None) -> None:
        super().__init__(engine.sync_engine)
        self.guard = guard
        self.within = within


CONNECT_TIMEOUT = 5.0  # seconds: a primary that takes longer to greet is of no use to a request
RECYCLE_AFTER = 1800  # seconds: a pool follows a failover behind one address without a restart of ours
# For a pooler in transaction mode: what is prepared has no name, and is parsed in the round trip in which it is used.
_UNPREPARED: Mapping[str, Any] = {
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": str,
}
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
    connect_timeout: float = CONNECT_TIMEOUT,
    lock_timeout: float | None = None,
    transaction_idle: float | None = None,
    connection_idle: float | None = None,
    pooled: bool = False,
) -> AsyncEngine:
    """Make a pool of connections; nothing is opened yet.

    A statement that is too slow is ended by the server. One that the server does not even answer (it is
    frozen, or the network is gone) is given up by the driver a little later, so no call hangs.

    Args:
        url: `postgres://`, `postgresql://` or `postgresql+asyncpg://`; libpq's `sslmode` is understood.
        pool_size: connections held open.
        max_overflow: connections beyond those, closed after use.
        pool_timeout: seconds to wait for a connection.
        statement_timeout: seconds for a statement.
        application_name: shown in `pg_stat_activity`.
        guard: the circuit breakers that are asked before each use; None for none.
        connect_timeout: seconds for a new connection.
        lock_timeout: seconds for which a statement waits for a lock; None for as long as it may take.
        transaction_idle: seconds for which a transaction may idle; None for those of a statement.
        connection_idle: seconds after which the server closes a connection that nobody used; None for never.
        pooled: whether a pooler in transaction mode stands between. Each transaction, and each statement without one,
            may then be on another connection of the server's: nothing is prepared for later, and the limits above are
            set in each transaction. For single statements they have to be the role's own (`ALTER ROLE … SET`).
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
            "timeout": connect_timeout,
            "command_timeout": statement_timeout + GRACE,
            "server_settings": {"application_name": application_name},
            **driver_numbers(address),
            **(_UNPREPARED if pooled else {}),
        },
    )
    within = {
        "statement_timeout": statement_timeout,
        "lock_timeout": lock_timeout or 0,
        "idle_in_transaction_session_timeout": transaction_idle or statement_timeout,
    }
    if not pooled:
        _limit(engine, within if connection_idle is None else {**within, "idle_session_timeout": connection_idle})
    _refuse_dead_connections(engine)
    _give_up_dying_connections(engine)
    return GuardedEngine(engine, guard, within if pooled else None)


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
                await _limit_transaction(engine, connection)
                yield connection
                await connection.commit()
            except TimeoutError:
                # SQLAlchemy gives up a connection whose statement was not answered, but a COPY runs unseen by it
                # on the driver's own: the rollback of one that was not answered would wait for as long again.
                await connection.invalidate()
                raise


def _guarded(engine: AsyncEngine) -> AbstractContextManager[None]:
    guard = engine.guard if isinstance(engine, GuardedEngine) else None
    return nullcontext() if guard is None else guard.attempt()


def _look_again(engine: AsyncEngine) -> None:
    """Whoever waited for a connection until the circuit opened would only wait on, for the answer."""
    if isinstance(engine, GuardedEngine) and engine.guard is not None:
        engine.guard.require_closed()


async def _limit_transaction(engine: AsyncEngine, connection: AsyncConnection) -> None:
    if isinstance(engine, GuardedEngine) and engine.within is not None:
        named = [func.set_config(name, f"{seconds * 1000:.0f}", true()) for name, seconds in engine.within.items()]
        await connection.execute(select(*named))


def _limit(engine: AsyncEngine, within: Mapping[str, float]) -> None:
    """Set the server's own limits after connecting: PgBouncer refuses them as start-up parameters."""
    script = "; ".join(f"SET {name} = {seconds * 1000:.0f}" for name, seconds in within.items())

    async def limit(driver: Any) -> None:
        await driver.execute(script)

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
