"""What every process connects to, as the settings say."""

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.cache import Keeping, RedisClock, RedisStatuses, StatusCache
from polling_api.hub import RedisTransport
from polling_api.settings import Settings
from polling_api.store import engine as engines


def database(settings: Settings, name: str) -> AsyncEngine:
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
    )


def keeping(settings: Settings) -> Keeping:
    """What `transport` and `status_cache` of one process write to Redis."""
    return Keeping(settings.cache_ttl, RedisClock())


def transport(settings: Settings, keeping: Keeping) -> RedisTransport:
    """What carries notices, and keeps them; nothing is opened yet.

    Raises:
        ValueError: the address of Redis is missing.
    """
    return RedisTransport(redis_address(settings), timeout=settings.redis_timeout, keeping=keeping)


def status_cache(settings: Settings, keeping: Keeping) -> StatusCache:
    """What all processes share; nothing is opened yet.

    Raises:
        ValueError: the address of Redis is missing.
    """
    statuses = RedisStatuses(redis_address(settings), keeping, timeout=settings.redis_timeout)
    return StatusCache(statuses, deadline=settings.cache_deadline)


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
