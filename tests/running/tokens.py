"""Access tokens for tests, made as a client makes them."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx

from running.asking import asking
from running.jobs import Job

ACCESS_TOKENS: Final = "/api/v1/access-tokens"
ALL_SCOPES: Final = ("status", "events", "results", "cancel")


async def ask_for_token(signer: httpx.AsyncClient, **asked: Any) -> httpx.Response:
    """The answer to a client that asks for a token."""
    return await signer.post(ACCESS_TOKENS, json=asked)


async def token_for(
    signer: httpx.AsyncClient, *jobs: Job, scopes: Sequence[str] = ALL_SCOPES, expires_in: float = 900
) -> str:
    """A token for some jobs; for all of the client's where none is named."""
    named: Any = [job["id"] for job in jobs] or "all"
    answer = await ask_for_token(signer, jobs=named, scopes=list(scopes), expires_in=expires_in)
    assert answer.status_code == 201, answer.text
    return answer.json()["token"]


def bearing(token: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def bearer(base_url: str, token: str) -> AsyncGenerator[httpx.AsyncClient]:
    """Asks as the bearer of a token."""
    async with asking(base_url, headers=bearing(token)) as client:
        yield client


def simple(job: Job) -> Job:
    """A job as the simple set links to it, where tokens are taken."""
    links = {name: path.replace("/batch-status/", "/jobs/") for name, path in job["links"].items()}
    return {**job, "links": links}
