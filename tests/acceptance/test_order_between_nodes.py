"""Contract: no version goes back on any node, and a node that knows less than its caller asks the primary first."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from polling_api.embedded import start_redis
from running.asking import asking
from running.events import Comment, open_events
from running.jobs import Job, read, submit, until_status
from running.service import running_service


@pytest.fixture(scope="module")
def another_redis_url(servers_folder: Path) -> Iterator[str]:
    """A Redis on which nobody tells anything of our jobs."""
    server = start_redis(servers_folder / "another-redis")
    yield server.url
    server.stop()


@pytest.fixture(scope="module")
async def deaf_client(
    database_url: str, another_redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    """Asks a node that hears no notices and hardly ever compares, so that it knows only what it reads."""
    folder = tmp_path_factory.mktemp("deaf")
    settings = {"compare_every": "60"}
    async with (
        running_service(database_url, another_redis_url, folder=folder, monitor=False, settings=settings) as deaf,
        asking(deaf.url) as client,
    ):
        yield client


async def known_elsewhere_before_it_began(client: httpx.AsyncClient, node: httpx.AsyncClient) -> Job:
    """A job that `node` has read before it was in progress."""
    job = await submit(client, "queued 0.4s, in_progress 600s @50%, succeeded")
    known = await read(node, job)
    assert known.json()["status"] in {"queued", "submitting"}
    return job


async def test_a_node_that_knows_less_than_the_tag_asks_the_primary_before_it_answers(
    client: httpx.AsyncClient, deaf_client: httpx.AsyncClient
) -> None:
    job = await known_elsewhere_before_it_began(client, deaf_client)
    newer = await until_status(client, job, "in_progress")

    answer = await deaf_client.get(job["links"]["self"], headers={"If-None-Match": newer.headers["etag"]})

    assert answer.status_code == 304
    assert answer.headers["etag"] == newer.headers["etag"]


async def test_a_wait_with_a_newer_tag_asks_the_primary_too(
    client: httpx.AsyncClient, deaf_client: httpx.AsyncClient
) -> None:
    job = await known_elsewhere_before_it_began(client, deaf_client)
    newer = await until_status(client, job, "in_progress")

    answer = await deaf_client.get(
        job["links"]["self"], params={"wait": 1}, headers={"If-None-Match": newer.headers["etag"]}
    )

    assert answer.status_code == 304


async def test_a_stream_resumed_at_a_newer_version_is_up_to_date_and_gets_its_first_bytes_at_once(
    client: httpx.AsyncClient, deaf_client: httpx.AsyncClient
) -> None:
    job = await known_elsewhere_before_it_began(client, deaf_client)
    newer = await until_status(client, job, "in_progress")

    async with open_events(deaf_client, job["links"]["events"], last_event_id=newer.json()["version"]) as stream:
        first = await stream.item(within=5)  # long before this node's first comment for a silent stream, after 15 s

    assert isinstance(first, Comment)


async def test_a_stream_that_has_seen_the_end_elsewhere_gets_204(
    client: httpx.AsyncClient, deaf_client: httpx.AsyncClient
) -> None:
    job = await submit(client, "in_progress 0.3s @50%, succeeded")
    known = await read(deaf_client, job)
    ended = await until_status(client, job, "succeeded")

    answer = await deaf_client.get(job["links"]["events"], headers={"Last-Event-ID": str(ended.json()["version"])})

    assert not known.json()["terminal"]
    assert answer.status_code == 204
