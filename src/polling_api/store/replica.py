"""A streaming replica: how it is, and versions of jobs as it has them, each with the proof of how old it may be."""

from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from asyncpg import PostgresError
from sqlalchemy import ARRAY, Text, any_, bindparam, case, func, literal, null, select, true
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.domain.job import Job
from polling_api.errors import Unavailable
from polling_api.store.engine import statements
from polling_api.store.line import Line
from polling_api.store.rows import JOB, job_from
from polling_api.store.tables import jobs, replica_beats, transitions

_NO_BEATS = literal([], ARRAY(Text))
_of_its_version = (transitions.c.job_id == jobs.c.id) & (transitions.c.version == jobs.c.version)

# One statement, so one snapshot: the jobs are no older than the beats. These stand in one row alone, to save bytes.
# Versions that were not to be seen in the primary at the last beat are left out: it may not show them yet.
_READ = (
    select(
        case((func.row_number().over() == 1, replica_beats.c.recent), else_=_NO_BEATS).label("beats"),
        func.pg_is_in_recovery().label("replays"),
        *JOB,
    )
    .select_from(jobs.join(replica_beats, true()).outerjoin(transitions, _of_its_version))
    .where(
        jobs.c.id == any_(bindparam("ids", type_=ARRAY(Text()))),
        transitions.c.xid.is_(null()) | func.pg_visible_in_snapshot(transitions.c.xid, replica_beats.c.snapshot),
    )
)

# The last column is never true: it asks whether reads would be allowed.
_LOOK = """
    SELECT pg_is_in_recovery(), coalesce((SELECT recent FROM replica_beats), '{}'),
        EXISTS (SELECT FROM jobs JOIN transitions ON transitions.job_id = jobs.id WHERE false)
"""


class Unfit(Unavailable):
    """It answers, and refuses what it is asked: it is another database, or was not migrated yet, or asks who we are."""


class Held(NamedTuple):
    """What a server shows of itself.

    Attributes:
        replays: whether it replays another's log; a primary does not, nor does a replica that was promoted.
        beats: of the primary, those that it has, the newest first: see `beats`.
    """

    replays: bool
    beats: Sequence[str]


class Found(NamedTuple):
    """Jobs as a replica has them, and what it held when they were read; None where it has none of them."""

    jobs: Mapping[str, Job]
    held: Held | None


class ReplicaServer:
    """One replica, as it is asked. Every call ends in a bounded time.

    Args:
        engine: for reads.
        line: for looks.
    """

    def __init__(self, engine: AsyncEngine, line: Line) -> None:
        self._engine = engine
        self._line = line

    async def look(self) -> Held:
        """See how it is.

        Raises:
            Away: it does not answer.
            Unfit: it refuses.
        """
        with _fitting():
            return Held(*await self._line.use(_look))

    async def read(self, ids: Collection[str]) -> Found:
        """Read the version that it has of many jobs, in one statement; not those that its primary may not show yet.

        Raises:
            Unavailable: it does not answer, or its replay was in the statement's way.
            Unfit: it refuses.
        """
        with _fitting():
            async with statements(self._engine) as connection:
                rows = (await connection.execute(_READ, {"ids": list(ids)})).all()
        if not rows:
            return Found({}, None)
        beats = next((row.beats for row in rows if row.beats), ())
        return Found({row.id: job_from(row) for row in rows}, Held(rows[0].replays, beats))

    async def close(self) -> None:
        """Give the connections back."""
        self._line.close()
        await self._engine.dispose()


async def _look(connection: Any) -> tuple[bool, Sequence[str]]:
    replays, beats, _ = await connection.fetchrow(_LOOK)
    return replays, beats


@contextmanager
def _fitting() -> Generator[None]:
    try:
        yield
    except (DBAPIError, PostgresError) as error:
        told = error.orig if isinstance(error, DBAPIError) else error
        raise Unfit(f"It refuses what is asked: {told}") from error
