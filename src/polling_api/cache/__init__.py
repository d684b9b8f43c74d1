"""Versions of jobs that all processes share in one Redis: written after the commit, read before Postgres is."""

from polling_api.cache.clock import RedisClock
from polling_api.cache.keeping import Keeping, Outcome
from polling_api.cache.reads import CACHE_CIRCUIT, CachedReads, Gone, Sighting
from polling_api.cache.record import Entry, Found
from polling_api.cache.redis import RedisStatuses
from polling_api.cache.refresher import Refresher
from polling_api.cache.status_cache import StatusCache

__all__ = [
    "CACHE_CIRCUIT",
    "CachedReads",
    "Entry",
    "Found",
    "Gone",
    "Keeping",
    "Outcome",
    "RedisClock",
    "RedisStatuses",
    "Refresher",
    "Sighting",
    "StatusCache",
]
