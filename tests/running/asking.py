"""Clients of the service. The secrets they send and are given are planted, and every answer is searched for them."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import orjson

from running.planted import PLANTED, fail_for

Hook = Callable[[httpx.Response], Awaitable[None]]

ASK_AGAIN = 0.05  # seconds

_GIVEN_ONCE = ("token", "secret", "webhook_secret")
_SIGNATURE = re.compile(r"=:([A-Za-z0-9+/=]+):")
_NONCE = re.compile(r';nonce="([^"]*)"')


@asynccontextmanager
async def asking(
    base_url: str,
    *,
    patience: float = 20,
    auth: httpx.Auth | None = None,
    headers: Mapping[str, str] | None = None,
    also: Sequence[Hook] = (),
) -> AsyncGenerator[httpx.AsyncClient]:
    """A client for as long as the block runs.

    Args:
        base_url: of the worker.
        patience: seconds after which it gives up on an answer.
        auth: adds credentials to requests.
        headers: on all requests.
        also: called with every answer.
    """
    hooks: Any = {"request": [_plant_sent], "response": [_search_answer, *also]}
    async with httpx.AsyncClient(
        base_url=base_url, timeout=patience, trust_env=False, auth=auth, headers=headers, event_hooks=hooks
    ) as client:
        yield client


async def until_answered(
    client: httpx.AsyncClient, path: str, holds: Callable[[httpx.Response], bool], within: float = 60
) -> httpx.Response:
    """Ask until the answer is as it should be, and return it.

    Raises:
        TimeoutError: it was not within so many seconds.
    """
    async with asyncio.timeout(within):
        while not holds(answer := await client.get(path)):  # noqa: ASYNC110 - the service has no event for us
            await asyncio.sleep(ASK_AGAIN)
    return answer


def search_answer(headers: Mapping[str, str], text: str, path: str = "") -> None:
    """Look for secrets in an answer; results are made of the bodies they belong to.

    Raises:
        pytest.fail.Exception: it repeats one.
    """
    head = "\n".join(f"{name}: {value}" for name, value in headers.items())
    leaks = [*PLANTED.search(head, f"headers of {path}"), *PLANTED.search(text, f"body of {path}")]
    fail_for([leak for leak in leaks if not (leak.kind == "part of a body" and path.endswith("/results"))])


async def _plant_sent(request: httpx.Request) -> None:
    sent = request.headers
    PLANTED.plant("credentials", sent.get("authorization", "").partition(" ")[2].strip())
    PLANTED.plant("token in a query", request.url.params.get("access_token", ""))
    PLANTED.plant("idempotency key", sent.get("idempotency-key", "").strip('"'))
    for signature in _SIGNATURE.findall(sent.get("signature", "")):
        PLANTED.plant("signature", signature)
    for nonce in _NONCE.findall(sent.get("signature-input", "")):
        PLANTED.plant("nonce", nonce)


async def _search_answer(response: httpx.Response) -> None:
    kind = response.headers.get("content-type", "")
    text = ""
    if kind.startswith(("application/json", "application/problem+json")):
        await response.aread()
        text = response.text
    search_answer(response.headers, text, response.request.url.path)
    if response.status_code in {httpx.codes.CREATED, httpx.codes.ACCEPTED} and text:
        _plant_given(orjson.loads(text))


def _plant_given(document: Any) -> None:
    if isinstance(document, dict):
        given = cast("dict[str, Any]", document)
        for name in _GIVEN_ONCE:
            if isinstance(given.get(name), str):
                PLANTED.plant(name, given[name])
