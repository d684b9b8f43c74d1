"""What every process connects to, as the settings say."""

from collections.abc import Callable

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.hub import RedisTransport
from polling_api.resilience.breaker import Breaker
from polling_api.resilience.vigil import Vigil
from polling_api.settings import Settings
from polling_api.store import engine as engines
from polling_api.store.availability import Away
from polling_api.store.guard import Guard
from polling_api.store.heartbeat import Heartbeat


def database(settings: Settings, name: str, guard: Guard) -> AsyncEngine:
    """The pool of connections to the primary, named `name` in `pg_stat_activity`; nothing is opened yet.

    Raises:
        ValueError: its address is missing.
    """
    return engines.connect(
        _address(settings.database_url, "DATABASE_URL"),
        pool_size=settings.pool_size,
        max_overflow=settings.pool_overflow,
        pool_timeout=settings.pool_timeout,
        statement_timeout=settings.statement_timeout,
        application_name=name,
        guard=guard,
    )


def heartbeat(settings: Settings, name: str) -> Heartbeat:
    """What asks whether the primary answers; nothing is opened yet.

    Raises:
        ValueError: its address is missing.
    """
    url = _address(settings.database_url, "DATABASE_URL")
    return Heartbeat(url, within=settings.heartbeat_timeout, application_name=name)


def vigil(
    settings: Settings, beating: Heartbeat, circuit: Breaker, *, gone: Callable[[], None], back: Callable[[], None]
) -> Vigil:
    """What keeps watch over the primary."""
    return Vigil("postgres", beating.beat, Away, circuit, every=settings.heartbeat_every, gone=gone, back=back)


def transport(settings: Settings) -> RedisTransport:
    """What carries notices; nothing is opened yet.

    Raises:
        ValueError: the address of Redis is missing.
    """
    return RedisTransport(redis_address(settings), timeout=settings.redis_timeout)


def redis_address(settings: Settings) -> str:
    """Where Redis is.

    Raises:
        ValueError: its address is missing.
    """
    return _address(settings.redis_url, "REDIS_URL")


def master_keys(settings: Settings) -> list[str]:
    """The keys from which all others are derived: the first makes, all verify."""
    return [key.get_secret_value() for key in settings.master_keys]


def _address(url: SecretStr | None, name: str) -> str:
    if url is None:
        raise ValueError(f"POLLING_{name} is not set, and embedded servers are started by `serve` and `run` alone.")
    return url.get_secret_value()
