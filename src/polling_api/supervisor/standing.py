"""What the service stands on: the embedded servers where no outer ones are set, and an up-to-date schema."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from polling_api.embedded import Server, start_postgres, start_redis
from polling_api.settings import Settings
from polling_api.store.migrate import MigrationError, upgrade
from polling_api.supervisor.errors import StartError


@dataclass(frozen=True, slots=True)
class Standing:
    """The servers in use: addresses for children, and those of the servers that are ours."""

    database_url: str
    redis_url: str
    servers: tuple[Server, ...]

    @property
    def environment(self) -> Mapping[str, str]:
        """The settings that tell a child where they are."""
        return {"POLLING_DATABASE_URL": self.database_url, "POLLING_REDIS_URL": self.redis_url}


@contextmanager
def standing(settings: Settings) -> Generator[Standing]:
    """Lend the servers; those that were started here are stopped at the end, all at once.

    Raises:
        EmbeddedError: one cannot be started; says what to do.
    """
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
        )
    finally:
        for server in servers:
            server.begin_stop()
        for server in servers:
            server.stop()


def migrate(settings: Settings) -> None:
    """Bring the schema up to date; an embedded Postgres is started for it, and stopped.

    Raises:
        EmbeddedError: it cannot be started; says what to do.
        StartError: the database cannot be reached, or refuses.
    """
    if settings.database_url:
        bring_up_to_date(settings.database_url.get_secret_value())
        return
    server = start_postgres(_folder(settings) / "postgres")
    try:
        bring_up_to_date(server.url)
    finally:
        server.stop()


def bring_up_to_date(database_url: str) -> None:
    """Bring a database's schema up to date.

    Raises:
        StartError: the database cannot be reached, or refuses.
    """
    try:
        upgrade(database_url)
    except TimeoutError as error:
        raise StartError("The database did not answer in time (POLLING_DATABASE_URL).") from error
    except MigrationError as error:
        raise StartError(f"{error} (POLLING_DATABASE_URL)") from error


def _folder(settings: Settings) -> Path:
    return settings.data_dir.absolute()
