"""Postgres and Redis for the default run: started with the process, and ended with it, however it ends."""

from polling_api.embedded.errors import EmbeddedError, FolderInUse
from polling_api.embedded.postgres import running_postgres, start_postgres
from polling_api.embedded.redis import running_redis, start_redis
from polling_api.embedded.server import Server

__all__ = [
    "EmbeddedError",
    "FolderInUse",
    "Server",
    "running_postgres",
    "running_redis",
    "start_postgres",
    "start_redis",
]
