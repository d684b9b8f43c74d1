"""What the service stands on: the embedded servers where no outer ones are set, their schema, and a master key."""

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from polling_api.embedded import Server, start_postgres, start_redis
from polling_api.settings import Settings
from polling_api.store.migrate import DatabaseAway, MigrationError, upgrade
from polling_api.supervisor.errors import StartError
from polling_api.supervisor.master_key import kept_master_key

_ASK_EVERY = 1.0  # seconds

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """The servers in use: addresses for children, and those of the servers that are ours.

    `master_key` is the one kept beside the embedded database, None where the settings have keys.
    """

    database_url: str
    redis_url: str
    servers: tuple[Server, ...]
    master_key: str | None = field(repr=False)

    @property
    def environment(self) -> Mapping[str, str]:
        """The settings that tell a child of them."""
        told = {"POLLING_DATABASE_URL": self.database_url, "POLLING_REDIS_URL": self.redis_url}
        return told if self.master_key is None else {**told, "POLLING_MASTER_KEYS": self.master_key}


@contextmanager
def standing(settings: Settings) -> Generator[Standing]:
    """Lend the servers; those that were started here are stopped at the end, all at once.

    Raises:
        EmbeddedError: one cannot be started; says what to do.
        StartError: the database is an outer one, and there is no master key to go with it.
    """
    check_master_keys(settings)
    servers: list[Server] = []

    def started(server: Server) -> str:
        servers.append(server)
        return server.url

    try:
        yield Standing(
            database_url=settings.database_url.get_secret_value()
            if settings.database_url
            else started(start_postgres(_folder(settings) / "postgres")),
            redis_url=settings.redis_url.get_secret_value()
            if settings.redis_url
            else started(start_redis(_folder(settings) / "redis")),
            servers=tuple(servers),
            master_key=None if settings.master_keys else kept_master_key(_folder(settings)),
        )
    finally:
        for server in servers:
            server.begin_stop()
        for server in servers:
            server.stop()


def check_master_keys(settings: Settings) -> None:
    """See that there are master keys where the database is an outer one.

    Raises:
        StartError: there are none; says what to do.
    """
    if settings.database_url and not settings.master_keys:
        raise StartError(
            "POLLING_MASTER_KEYS is not set. All processes over one database sign with the same key: make one with "
            "`openssl rand -hex 32`, and set it wherever the service runs."
        )


def migrate(settings: Settings) -> None:
    """Bring the schema up to date; an embedded Postgres is started for it, and stopped.

    Raises:
        EmbeddedError: it cannot be started; says what to do.
        StartError: the database cannot be reached, or refuses.
    """
    if settings.database_url:
        url = migrated_url(settings, settings.database_url.get_secret_value())
        bring_up_to_date(url, within=settings.start_within)
        return
    server = start_postgres(_folder(settings) / "postgres")
    try:
        bring_up_to_date(server.url)
    finally:
        server.stop()


def migrated_url(settings: Settings, database_url: str) -> str:
    """Where migrations go: to Postgres itself, since they lock a session, which no pooler's transaction mode has.

    Raises:
        StartError: it is not known where that is.
    """
    if settings.direct_url is not None:
        return settings.direct_url.get_secret_value()
    if settings.database_pooled:
        raise StartError(
            "POLLING_DATABASE_POOLED is set: set POLLING_DIRECT_URL to Postgres itself as well, for migrations."
        )
    return database_url


def bring_up_to_date(database_url: str, *, within: float = 0) -> None:
    """Bring a database's schema up to date, and say so while it is waited for.

    Args:
        database_url: where it is.
        within: seconds for which it is asked again and again, while it cannot be reached.

    Raises:
        StartError: the database cannot be reached, or refuses.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            upgrade(database_url)
        except (TimeoutError, DatabaseAway) as error:
            reason = str(error) or "The database did not answer in time."
            if time.monotonic() >= deadline:
                waited = f" It was asked for {within:g} s (POLLING_START_WITHIN)." if within else ""
                raise StartError(f"{reason} (POLLING_DATABASE_URL){waited}") from error
            _log.warning("waiting for Postgres", reason=reason, at_most=round(deadline - time.monotonic()))
            time.sleep(_ASK_EVERY)
        except MigrationError as error:
            raise StartError(f"{error} (POLLING_DATABASE_URL)") from error
        else:
            return


def _folder(settings: Settings) -> Path:
    return settings.data_dir.absolute()
