"""What is in the service's database: for what no client can see, and for what none could make in a test's time."""

import base64
import os
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

    async def respond(self, job_id: str, bytes_each: int) -> None:
        """Have every item of a job hold a picture of so many random bytes, as base64, in place of what it had."""
        async with self._engine.begin() as connection:
            told = text("SELECT position FROM requests WHERE job_id = :job_id")
            for position in (await connection.execute(told, {"job_id": job_id})).scalars().all():
                picture = base64.b64encode(os.urandom(bytes_each)).decode()
                response = f'{{"status_code":200,"body":{{"data":[{{"b64_json":"{picture}"}}]}}}}'
                change = text(
                    "INSERT INTO results (job_id, position, outcome, response)"
                    " VALUES (:job_id, :position, 'completed', :response)"
                    " ON CONFLICT (job_id, position) DO UPDATE SET response = excluded.response"
                )
                await connection.execute(change, {"job_id": job_id, "position": position, "response": response})

    async def let_results_expire(self, job_id: str) -> None:
        """Have the time come up to which a job's results are kept; who knows the job already is not told."""
        async with self._engine.begin() as connection:
            change = text("UPDATE jobs SET results_expire_at = now() WHERE id = :job_id")
            await connection.execute(change, {"job_id": job_id})

    async def results_of(self, job_id: str) -> int:
        """How many results of a job are stored."""
        async with self._engine.connect() as connection:
            told = text("SELECT count(*) FROM results WHERE job_id = :job_id")
            return (await connection.execute(told, {"job_id": job_id})).scalar_one()

    async def connections_at_work(self, of: str) -> int:
        """How many connections of a kind of work run a statement, or hold a transaction."""
        statement = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
            " AND application_name = :of"
        )
        async with self._engine.connect() as connection:
            return (await connection.execute(statement, {"of": of})).scalar_one()

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
