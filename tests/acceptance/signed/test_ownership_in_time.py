"""Contract: what is another's is answered in the time of what is missing, by every route, whoever knows of it."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from polling_api.cache.record import key_of
from polling_api.domain.job import new_job_id
from running.addressed import Operation, addressed
from running.forging import port_of
from running.jobs import SIGNED_SET, Job, ended_job
from running.pairs import Pair, chance_of, share_of
from running.raw import RawConnection, raw_connection
from running.signing import Credentials, Signed, signing_client
from running.stored import Store

# Pairs of each operation. Hot ones are more, since it is there that a node knows the answer without asking.
COLD, ELSEWHERE, HOT = 12, 12, 22
AGAIN_EVERY = 6  # pairs, of those that are asked for a second time: what was told before costs nothing to tell again
UNLIKELY = 1e-6  # how seldom a comparison may fail by chance; there are about a hundred of them
NAMED_AT_ONCE = 100  # jobs that one stream follows

Measured = dict[tuple[str, str], list[Pair]]


@pytest.fixture(scope="module")
async def operations(client: httpx.AsyncClient) -> Sequence[Operation]:
    document = (await client.get("/openapi.json")).json()
    return [one for one in addressed(document) if one.kind == "job_id"]


@pytest.fixture(scope="module")
async def theirs(foreign_signer: httpx.AsyncClient) -> Job:
    """A finished job of the stranger's."""
    return await ended_job(foreign_signer)


class Asker:
    """Asks on a connection of its own for what is not the asker's, and measures how long the answers take.

    Args:
        connection: to the node.
        client: makes requests.
        signs: signs them; None for anybody.
    """

    def __init__(self, connection: RawConnection, client: httpx.AsyncClient, signs: Signed | None) -> None:
        self._connection = connection
        self._client = client
        self._signs = signs

    async def pair(self, operation: Operation, foreign: str, missing: str) -> Pair:
        """The times of the answers for a foreign job and for one that is missing."""
        took = {job_id: await self._seconds(operation, job_id) for job_id in random.sample([foreign, missing], 2)}
        return Pair(took[foreign], took[missing])

    async def _seconds(self, operation: Operation, job_id: str) -> float:
        request = self._encoded(operation, job_id)
        began = time.perf_counter()
        await self._connection.send(request)
        answer = await self._connection.answer(head=operation.method == "HEAD")
        took = time.perf_counter() - began
        assert answer.status == operation.denies_with, f"{operation}: {answer}"
        return took

    def _encoded(self, operation: Operation, job_id: str) -> bytes:
        request = operation.request(self._client, job_id)
        if self._signs is not None:
            request.headers.update(self._signs.headers_for(request))
        fields = b"".join(b"%b: %b\r\n" % field for field in request.headers.raw)
        return b"%b %b HTTP/1.1\r\n%b\r\n%b" % (
            request.method.encode(),
            request.url.raw_path,
            fields,
            request.content,
        )


class Elsewhere:
    """Has another node know a job, and therefore Redis, while the node that is asked does not.

    Args:
        owner: the job's, who asks the other node.
        redis: what the nodes share.
    """

    def __init__(self, owner: httpx.AsyncClient, redis: Redis) -> None:
        self._owner = owner
        self._redis: Any = redis  # its commands have no types worth the name

    async def know(self, job_id: str) -> None:
        answer = await self._owner.get(f"{SIGNED_SET}/{job_id}")
        assert answer.status_code == 200
        async with asyncio.timeout(10):
            while not await self._redis.exists(key_of(job_id)):  # noqa: ASYNC110 - a server sets no event
                await asyncio.sleep(0.01)


async def warm(owner: httpx.AsyncClient, ids: Sequence[str]) -> None:
    """Have a node hold jobs in memory, as it does while their owner looks at them."""
    for start in range(0, len(ids), NAMED_AT_ONCE):
        named = ",".join(ids[start : start + NAMED_AT_ONCE])
        answer = await owner.head(f"{SIGNED_SET}/events", params={"ids": named})
        assert answer.status_code == 200


async def measured(
    asker: Asker,
    elsewhere: Elsewhere,
    operations: Sequence[Operation],
    cold: list[str],
    apart: list[str],
    hot: list[str],
) -> Measured:
    """All pairs, by operation and by how the foreign job was known to the node, in an order drawn by chance."""
    found: Measured = defaultdict(list)
    asked = [(operation, "cold", cold) for operation in operations] * COLD
    asked += [(operation, "elsewhere", apart) for operation in operations] * ELSEWHERE
    asked += [(operation, "hot", hot) for operation in operations] * HOT
    for number, (operation, how, ids) in enumerate(random.sample(asked, len(asked))):
        foreign, missing = ids.pop(), new_job_id()
        if how == "elsewhere":
            await elsewhere.know(foreign)
        found[str(operation), how].append(await asker.pair(operation, foreign, missing))
        if number % AGAIN_EVERY == 0:
            found[str(operation), "told before"].append(await asker.pair(operation, foreign, missing))
    return found


@pytest.mark.timeout(300)  # thousands of requests, on a machine that may be busy with others
async def test_nobody_can_tell_from_the_time_whether_there_is_such_a_job(
    operations: Sequence[Operation],
    client: httpx.AsyncClient,
    foreign_signer: httpx.AsyncClient,
    stranger: Credentials,
    owner: Credentials,
    here: str,
    there: str,
    redis_url: str,
    store: Store,
    theirs: Job,
) -> None:
    sets = [[one for one in operations if one.simple is simple] for simple in (True, False)]
    ids = [[await store.copies(theirs["id"], pairs * len(some)) for pairs in (COLD, ELSEWHERE, HOT)] for some in sets]
    await warm(foreign_signer, ids[0][2] + ids[1][2])

    async with (
        raw_connection(port_of(here)) as one,
        raw_connection(port_of(here)) as other,
        signing_client(there, stranger) as away,
        Redis.from_url(redis_url) as redis,  # pyright: ignore[reportUnknownMemberType]
    ):
        askers = [Asker(one, client, None), Asker(other, client, Signed(owner))]
        elsewhere = Elsewhere(away, redis)
        simple, signed = await asyncio.gather(
            *(measured(asker, elsewhere, some, *own) for asker, some, own in zip(askers, sets, ids, strict=True))
        )

    by_operation = {**simple, **signed}
    by_road: Measured = defaultdict(list)
    for (_, how), pairs in by_operation.items():
        by_road["all operations", how].extend(pairs)
    told = {
        place: f"slower in {share_of(pairs):.0%} of {len(pairs)}"
        for place, pairs in {**by_operation, **by_road}.items()
        if chance_of(pairs) < UNLIKELY
    }
    assert told == {}
