"""What every process connects to, as the settings say."""

from pydantic import SecretStr

from polling_api.app.circuits import Circuits
from polling_api.cache import CACHE_CIRCUIT, Keeping, RedisClock, RedisStatuses, StatusCache
from polling_api.hub import RedisTransport
from polling_api.settings import Settings


def database_url(settings: Settings) -> str:
    """Where the primary is.

    Raises:
        ValueError: its address is missing.
    """
    return _address(settings.database_url, "DATABASE_URL")


def keeping(settings: Settings) -> Keeping:
    """What `transport` and `status_cache` of one process write to Redis."""
    return Keeping(settings.cache_ttl, RedisClock())


def transport(settings: Settings, keeping: Keeping) -> RedisTransport:
    """What carries notices, and keeps them; nothing is opened yet.

    Raises:
        ValueError: the address of Redis is missing.
    """
    return RedisTransport(redis_address(settings), timeout=settings.redis_timeout, keeping=keeping)


def status_cache(settings: Settings, keeping: Keeping, circuits: Circuits) -> StatusCache:
    """What all processes share; nothing is opened yet.

    Raises:
        ValueError: the address of Redis is missing.
    """
    statuses = RedisStatuses(redis_address(settings), keeping, timeout=settings.redis_timeout)
    breaker = circuits.breaker("status cache", CACHE_CIRCUIT)
    return StatusCache(statuses, breaker, deadline=settings.cache_deadline)


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
