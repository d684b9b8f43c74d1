"""Each poll is a `SELECT` and a whole JSON body.

FastAPI, SQLAlchemy's ORM over asyncpg, a session for each request by `Depends`, a response model. Everything is left as
it comes, but for the pool, which is as large as ours. A poll is then three statements: `BEGIN`, `SELECT`, `ROLLBACK`; a
change four. With `pool_pre_ping` they would be five and six.
"""

import os
import sys
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from naive.model import Job

engine = create_async_engine(os.environ["POLLING_DATABASE_URL"], pool_size=20, max_overflow=40)
Session = async_sessionmaker(engine, expire_on_commit=False)


class JobOut(BaseModel):
    """A job, as clients see it: the members that ours has."""

    model_config = ConfigDict(from_attributes=True)

    object: str = "job"
    id: str
    status: str
    terminal: bool
    version: int
    progress: dict[str, Any]
    error: dict[str, Any] | None
    details: dict[str, Any]
    provider: str
    endpoint: str
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    results_expire_at: datetime | None
    links: dict[str, str]


async def session() -> AsyncGenerator[AsyncSession]:
    async with Session() as opened:
        yield opened


Database = Annotated[AsyncSession, Depends(session)]
app = FastAPI()


@app.get("/ready")
async def ready() -> dict[str, str]:
    return {}


@app.get("/api/v1/jobs/{job_id}", response_model=JobOut)
async def status(job_id: str, database: Database) -> Job:
    return await _found(job_id, database)


@app.post("/api/v1/jobs/{job_id}/change")
async def change(job_id: str, database: Database) -> dict[str, int]:
    """Write what the provider has news of, as its monitor does."""
    job = await _found(job_id, database)
    job.version += 1
    job.progress = {**job.progress, "completed": job.version}
    await database.commit()
    return {"version": job.version}


async def _found(job_id: str, database: AsyncSession) -> Job:
    job = (await database.execute(select(Job).where(Job.id == job_id))).scalar_one_or_none()
    if job is None:
        raise HTTPException(404, "No such job")
    return job


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="warning", backlog=4096)
