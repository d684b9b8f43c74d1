"""Callers of a service that trusts this machine as a proxy: each from an address of its own."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from typing import Final

import httpx

from running.signing import Credentials, Signed

ANYWHERE: Final = "/api/v1/nothing"  # is no route, so that asking counts in the hour alone
WITHIN = 10.0  # seconds; far above what sharing takes
ASK_EVERY = 0.1  # seconds

_numbers = count(1)


def new_address() -> str:
    """An address that no other visitor has had."""
    number = next(_numbers)
    return f"203.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


@asynccontextmanager
async def visitor(
    url: str, address: str | None = None, *, signs: Credentials | None = None, token: str | None = None
) -> AsyncGenerator[httpx.AsyncClient]:
    """Asks from an address, a new one where none is given; signed, or with a token, where that is."""
    headers = {"X-Forwarded-For": address or new_address()}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    auth = None if signs is None else Signed(signs)
    async with httpx.AsyncClient(base_url=url, headers=headers, auth=auth, timeout=20, trust_env=False) as asking:
        yield asking


def code_of(answer: httpx.Response) -> str:
    """The problem's code, empty where the answer is none."""
    is_problem = answer.headers.get("content-type") == "application/problem+json"
    return answer.json()["code"] if is_problem else ""


def left(answer: httpx.Response) -> int:
    """What the answer says is left."""
    return int(answer.headers["x-ratelimit-remaining"])


async def until_code(client: httpx.AsyncClient, path: str, expected: str) -> httpx.Response:
    """Ask until the answer has a code (empty: none), as it will when the processes have told each other.

    Raises:
        AssertionError: it had not within 10 s.
    """
    answer = await client.get(path)
    for _ in range(int(WITHIN / ASK_EVERY)):
        if code_of(answer) == expected:
            return answer
        await asyncio.sleep(ASK_EVERY)
        answer = await client.get(path)
    raise AssertionError(f"{path} stayed at {answer.status_code} {code_of(answer)!r}, not {expected!r}")
