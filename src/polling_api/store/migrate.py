"""Bringing a database's schema up to date, from within the process."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from asyncpg import PostgresError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from polling_api.store.availability import sqlstate

# The repository's root, in a checkout and in an editable installation; else the folder the process was
# started in, as in the container image, which has `alembic.ini` and `alembic/` beside an ordinary
# installation.
_PLACES = (Path(__file__).resolve().parents[3], Path.cwd())

_UNKNOWN = ("42P01", "42703")  # a table, a column (PostgreSQL manual, appendix A)


class MigrationError(Exception):
    """The schema could not be brought up to date; the message says what the database, or the way to it, said."""


def upgrade(url: str, revision: str = "head") -> None:
    """Migrate up to a revision; processes that do so at once wait for each other.

    It starts an event loop of its own: from a running one, call it in a thread.

    Args:
        url: the primary's address, not by way of PgBouncer's transaction mode, which has no session locks.
        revision: as Alembic names it.

    Raises:
        FileNotFoundError: the migrations are not where they are looked for.
        TimeoutError: another process has been migrating for a minute.
        MigrationError: the database cannot be reached, or refuses.
    """
    try:
        command.upgrade(configuration(url), revision)
    except TimeoutError:
        raise
    except (OSError, SQLAlchemyError, PostgresError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MigrationError(f"The database cannot be reached or changed: {reason}") from error


@contextmanager
def migrated() -> Generator[None]:
    """Tell of a table or a column that is missing what to do about it.

    Raises:
        MigrationError: the database was not migrated to this release, and that is for its operator to decide.
    """
    try:
        yield
    except DBAPIError as error:
        if sqlstate(error) not in _UNKNOWN:
            raise
        raise MigrationError("The database lacks what this release keeps in it. Run `polling-api migrate`.") from error


def downgrade(url: str, revision: str) -> None:
    """Migrate down to a revision, `base` for the beginning; as `upgrade` otherwise."""
    command.downgrade(configuration(url), revision)


def configuration(url: str, places: Sequence[Path] = _PLACES) -> Config:
    """Alembic's configuration for a database, from the first of the places that has it.

    Raises:
        FileNotFoundError: the migrations are not where they are looked for.
    """
    for place in places:
        if (place / "alembic.ini").is_file():
            config = Config(place / "alembic.ini")
            config.attributes["url"] = url
            return config
    tried = " or ".join(str(place) for place in places)
    raise FileNotFoundError(f"No alembic.ini in {tried}: start from the folder that holds it and alembic/.")
