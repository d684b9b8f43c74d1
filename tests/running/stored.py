"""What is in the service's database: for what no client can see, and for what none could make in a test's time."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

from polling_api.store.engine import driver_url


class Stored(NamedTuple):
    """How many rows there are of what submits leave behind."""

    jobs: int
    requests: int
    transitions: int


class Look(NamedTuple):
    """A job's batch, as its provider calls it, and when the job is due."""

    batch_id: str
    due_at: datetime


class Store:
    """Asks, on a new connection each time.

    Args:
        database_url: the service's.
    """

    def __init__(self, database_url: str) -> None:
        self._engine = create_async_engine(driver_url(database_url), poolclass=NullPool)

    async def submitted(self) -> Stored:
        """Count what submits leave behind; transitions only of first versions, which no monitor makes.

        Requests that wait to be deleted are gone: they vanish when a monitor comes to them.
        """
        statement = text(
            "SELECT (SELECT count(*) FROM jobs),"
            " (SELECT count(*) FROM requests WHERE job_id NOT IN (SELECT job_id FROM purges)),"
            " (SELECT count(*) FROM transitions WHERE version = 1)"
        )
        async with self._engine.connect() as connection:
            return Stored(*(await connection.execute(statement)).one())

    async def copies(self, job_id: str, count: int) -> list[str]:
        """Store a finished job so many times more, and give the ids; nobody is told of it, and they have no results."""
        statement = text(
            "INSERT INTO jobs SELECT (jsonb_populate_record(jobs, jsonb_build_object('id',"
            " 'job_' || replace(gen_random_uuid()::text, '-', '')))).* FROM jobs, generate_series(1, :count)"
            " WHERE id = :job_id RETURNING id"
        )
        async with self._engine.begin() as connection:
            found = await connection.execute(statement, {"job_id": job_id, "count": count})
            return list(found.scalars())

    async def look_of(self, job_id: str) -> Look:
        """The provider's batch of a job, and when it is looked at next."""
        statement = text("SELECT upstream_id, due_at FROM jobs WHERE id = :job_id")
        async with self._engine.connect() as connection:
            return Look(*(await connection.execute(statement, {"job_id": job_id})).one())

    async def let_it_be_time(self, job_id: str) -> None:
        """Have the time come at which a job is looked at anyway."""
        async with self._engine.begin() as connection:
            await connection.execute(text("UPDATE jobs SET due_at = now() WHERE id = :job_id"), {"job_id": job_id})
