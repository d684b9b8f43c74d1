"""What a database that does not answer looks like, told as one error."""

from collections.abc import Generator
from contextlib import contextmanager

import sqlalchemy.exc
from asyncpg import InterfaceError, InternalClientError, PostgresError

from polling_api.errors import Unavailable
from polling_api.resilience.backoff import jittered

RETRY_AFTER = 2  # seconds: a restart or a failover takes a few

# Classes and single codes of SQLSTATE (PostgreSQL manual, appendix A) that say "not now" rather than "wrong".
_AWAY = (
    "08",  # connection lost
    "53",  # out of connections, memory or disk
    "57",  # shutting down, starting up, or the statement timeout
    "58",  # its own disk failed
    "25006",  # read only: the primary was demoted under us
    "25P03",  # it ended our transaction for idling
)
_LOST_AGAINST_ANOTHER = ("40001", "40P01", "55P03")  # the database is well; another transaction was there first


class Away(Unavailable):
    """The database did not answer, or cannot do anything like this now: what a circuit breaker counts."""


@contextmanager
def answering() -> Generator[None, None, None]:
    """Tell every failure to reach the database, or to get its answer in time, as one error.

    Raises:
        Unavailable: what was being written may or may not be stored; `Away`, unless it was only this that could not
            be done. All other errors pass unchanged: they are mistakes of ours, and asking again would not help.
    """
    try:
        yield
    except sqlalchemy.exc.TimeoutError as error:
        # All connections of the pool are in use: so much is being asked, which says nothing of the database.
        raise Unavailable("Too much is asked of the database at once.", retry_after=jittered(RETRY_AFTER)) from error
    except (OSError, TimeoutError, InterfaceError, InternalClientError) as error:
        # The driver's own two, as they are and not SQLAlchemy's: a connection ended while it was set up, or on a COPY.
        raise Away("The database does not answer.", retry_after=jittered(RETRY_AFTER)) from error
    except (sqlalchemy.exc.DBAPIError, PostgresError) as error:
        if is_away(error):
            raise Away("The database cannot do this now.", retry_after=jittered(RETRY_AFTER)) from error
        if sqlstate(error) in _LOST_AGAINST_ANOTHER:
            raise Unavailable("The database cannot do this now.", retry_after=jittered(RETRY_AFTER)) from error
        raise


def is_away(error: sqlalchemy.exc.DBAPIError | PostgresError) -> bool:
    """Whether an error says "not now" rather than "wrong"."""
    if isinstance(error, sqlalchemy.exc.DBAPIError) and error.connection_invalidated:
        return True
    return sqlstate(error).startswith(_AWAY)


def sqlstate(error: sqlalchemy.exc.DBAPIError | PostgresError) -> str:
    """The code Postgres gave, or nothing where the driver itself complained."""
    told = error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) else error
    return getattr(told, "sqlstate", None) or ""
