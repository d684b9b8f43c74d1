"""A job that stays as it is, and polls of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

import httpx

from stand.load import get

TRIES = 10
BODY = {
    "requests": [{"custom_id": "one", "body": {"model": "made-up"}}],
    "metadata": {"simulator": "in_progress 600s @50%, succeeded"},
}


@dataclass(frozen=True, slots=True)
class Quiet:
    """A job in the state in which it stays: its id, its set's path below the service's address, its entity tag."""

    url: str
    base: str
    id: str
    etag: str

    @property
    def path(self) -> str:
        """Where it is read."""
        return f"{self.base}/{self.id}"

    def within(self, base: str) -> "Quiet":
        """The same in the other set of endpoints; the tag does not depend on the set."""
        return replace(self, base=base)

    def poll(self, headers: Mapping[str, str] | None = None) -> bytes:
        """A request that is answered with `304`, with the headers that say who asks."""
        return get(self.url, self.path, f"If-None-Match: {self.etag}", *map(": ".join, (headers or {}).items()))


async def quiet_job(url: str, base: str = "/api/v1/jobs", auth: httpx.Auth | None = None) -> Quiet:
    """Submit a job, and return when it stays as it is.

    Args:
        url: the service's address.
        base: the path of a set of endpoints.
        auth: signs requests, where the set asks for it.
    """
    async with httpx.AsyncClient(base_url=url, timeout=40, trust_env=False, auth=auth) as client:
        answer = await client.get(await _submitted(client, base))
        while answer.json()["status"] != "in_progress":
            waiting = {"If-None-Match": answer.headers["etag"], "Prefer": "wait=30"}
            answer = (await client.get(answer.request.url, headers=waiting)).raise_for_status()
        return Quiet(url, base, answer.json()["id"], answer.headers["etag"])


async def _submitted(client: httpx.AsyncClient, base: str) -> str:
    """The path of a new job. On a busy machine nobody may be able to say in time whether a signature's nonce is new."""
    answer = await client.post(base, json=BODY)
    for _ in range(TRIES):
        if answer.is_success:
            break
        await asyncio.sleep(float(answer.headers.get("retry-after", 0)))
        answer = await client.post(base, json=BODY)
    return answer.raise_for_status().headers["location"]
