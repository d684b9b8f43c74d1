"""The naive service with a database of its own, in which are the jobs that ours has."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import psutil
from naive.model import Base
from naive.model import Job as Row
from sqlalchemy import NullPool, insert, text
from sqlalchemy.ext.asyncio import create_async_engine

from polling_api.domain.job import Job
from polling_api.representation import progress_document
from polling_api.store.engine import driver_url
from stand.anchors import anchor

DATABASE = "naive"


class Naive(NamedTuple):
    """Where it is, and where its rows are."""

    url: str
    process: psutil.Process
    database_url: str


@asynccontextmanager
async def naive_service(database_url: str, jobs: Sequence[Job]) -> AsyncGenerator[Naive]:
    """It, for as long as the block runs, on the same Postgres as ours.

    Args:
        database_url: of our database.
        jobs: that it begins with.
    """
    administering = create_async_engine(driver_url(database_url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    async with administering.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {DATABASE} TEMPLATE template0"))
    url = driver_url(database_url).set(database=DATABASE)
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(insert(Row), [_row(job) for job in jobs])
    own = url.render_as_string(hide_password=False)
    async with anchor("naive.service", {"database_url": own}) as running:
        yield Naive(running.url, running.process, own)


def _row(job: Job) -> dict[str, Any]:
    same = ("id", "status", "version", "provider", "endpoint", "created_at", "updated_at", "started_at", "expires_at")
    return {
        **{name: getattr(job, name) for name in same},
        "progress": progress_document(job.progress),
        "error": None,
        "details": dict(job.metadata),
        "finished_at": None,
        "results_expire_at": None,
    }
