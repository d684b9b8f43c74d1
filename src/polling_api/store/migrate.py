"""Bringing a database's schema up to date, from within the process."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from asyncpg import PostgresError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.store.availability import is_away, sqlstate
from polling_api.store.engine import statements

# The repository's root, in a checkout and in an editable installation; else the folder the process was
# started in, as in the container image, which has `alembic.ini` and `alembic/` beside an ordinary
# installation.
_PLACES = (Path(__file__).resolve().parents[3], Path.cwd())

_UNKNOWN = ("42P01", "42703")  # a table, a column (PostgreSQL manual, appendix A)


class MigrationError(Exception):
    """The schema could not be brought up to date; the message says what the database, or the way to it, said."""


class DatabaseAway(MigrationError):
    """The database cannot be reached, or takes no connections; it may, later."""


def upgrade(url: str, revision: str = "head") -> None:
    """Migrate up to a revision; processes that do so at once wait for each other.

    It starts an event loop of its own: from a running one, call it in a thread.

    Args:
        url: the primary's address, not by way of PgBouncer's transaction mode, which has no session locks.
        revision: as Alembic names it.

    Raises:
        FileNotFoundError: the migrations are not where they are looked for.
        TimeoutError: another process has been migrating for a minute.
        MigrationError: the database refuses.
        DatabaseAway: it cannot be reached.
    """
    try:
        command.upgrade(configuration(url), revision)
    except TimeoutError:
        raise
    except (OSError, SQLAlchemyError, PostgresError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        away = isinstance(error, OSError) or (isinstance(error, DBAPIError | PostgresError) and is_away(error))
        raised = DatabaseAway if away else MigrationError
        raise raised(f"The database cannot be reached or changed: {reason}") from error


async def lacking(engine: AsyncEngine) -> bool:
    """Whether a database's schema is older than this release's. One that is newer is fit too: nodes go one by one.

    Raises:
        Unavailable: the database did not answer.
    """
    try:
        async with statements(engine) as connection:
            present = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    except DBAPIError as error:
        if sqlstate(error) not in _UNKNOWN:
            raise
        return True
    return present is None or present in _older()


def _older() -> set[str]:
    """The revisions before this release's; none are known where the migrations are kept elsewhere."""
    try:
        scripts = ScriptDirectory.from_config(configuration(""))
    except FileNotFoundError:
        return set()
    return {script.revision for script in scripts.walk_revisions()} - {scripts.get_current_head() or ""}


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
