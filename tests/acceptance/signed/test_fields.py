"""Contract: `?fields=`, only those members of a job, on every transport."""

import asyncio

import httpx
import pytest

from running.events import open_events
from running.jobs import SIGNED_SET, ended_job, long_poll, quiet_job, read, set_of, submit, until_status

SOME = {"fields": "status,progress.completed"}


async def test_a_poll_shows_only_what_is_named(asking: httpx.AsyncClient) -> None:
    whole = await quiet_job(asking)

    some = await asking.get(whole.json()["links"]["self"], params=SOME)

    job = whole.json()
    assert some.json() == {"status": job["status"], "progress": {"completed": job["progress"]["completed"]}}
    assert some.headers["etag"] != whole.headers["etag"]
    assert some.headers["x-poll-interval"] == whole.headers["x-poll-interval"]


async def test_the_order_in_which_fields_are_named_makes_no_other_tag(asking: httpx.AsyncClient) -> None:
    path = (await quiet_job(asking)).json()["links"]["self"]
    some = await asking.get(path, params={"fields": "status,id,progress"})

    again = await asking.get(
        path, params={"fields": "progress.total, progress, id,status"}, headers={"If-None-Match": some.headers["etag"]}
    )

    assert again.status_code == 304


async def test_the_tag_of_the_whole_is_not_that_of_a_part(asking: httpx.AsyncClient) -> None:
    whole = await quiet_job(asking)

    some = await asking.get(
        whole.json()["links"]["self"], params=SOME, headers={"If-None-Match": whole.headers["etag"]}
    )

    assert some.status_code == 200


async def test_a_wait_shows_only_what_is_named(asking: httpx.AsyncClient) -> None:
    job = await submit(asking, "in_progress 1s @50%, succeeded")
    await until_status(asking, job, "in_progress")
    path = job["links"]["self"]
    seen = (await asking.get(path, params=SOME)).headers["etag"]

    told = await asking.get(
        path, params={**SOME, "wait": 20, "until": "status"}, headers={"If-None-Match": seen}, timeout=30
    )

    assert (told.status_code, {*told.json()}) == (200, {"status", "progress"})


async def test_events_show_only_what_is_named(asking: httpx.AsyncClient) -> None:
    job = await ended_job(asking)

    async with open_events(asking, job["links"]["events"], params=SOME) as stream:
        events = await stream.rest()

    assert [{*event.job} for event in events] == [{"status", "progress"}]


async def test_events_of_many_jobs_show_only_what_is_named(asking: httpx.AsyncClient) -> None:
    jobs = [await ended_job(asking) for _ in range(2)]
    query = {"ids": ",".join(job["id"] for job in jobs), "fields": "id,status"}

    async with open_events(asking, f"{set_of(asking)}/events", params=query) as stream:
        events = await stream.rest()

    assert {event.job["id"] for event in events} == {job["id"] for job in jobs}
    assert all({*event.job} == {"id", "status"} for event in events)


async def test_a_clients_list_and_stream_show_only_what_is_named(signer: httpx.AsyncClient) -> None:
    job = (await quiet_job(signer)).json()

    page = await signer.get(SIGNED_SET, params={"fields": "id,status", "limit": 1})
    async with open_events(signer, f"{SIGNED_SET}/events", params={"fields": "id"}) as stream:
        told = await stream.event()
    following = await signer.get(page.links["next"]["url"])

    assert page.json()["data"] == [{"id": job["id"], "status": job["status"]}]
    assert [{*one} for one in following.json()["data"]] == [{"id", "status"}]
    assert {*told.job} == {"id"}


@pytest.mark.parametrize(
    "query", ["fields=", "fields=speed", "fields=status,", "fields=status&fields=id", "fields=progress.total.x"]
)
async def test_fields_that_there_are_not_are_422(asking: httpx.AsyncClient, query: str) -> None:
    job = (await quiet_job(asking)).json()

    answers = await asyncio.gather(
        asking.get(f"{job['links']['self']}?{query}"), asking.get(f"{job['links']['events']}?{query}")
    )

    for answer in answers:
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == ["?fields"]


async def test_nothing_is_left_of_fields_when_they_are_not_named_again(asking: httpx.AsyncClient) -> None:
    whole = await quiet_job(asking)
    await asking.get(whole.json()["links"]["self"], params=SOME)

    assert (await read(asking, whole.json())).content == whole.content
    waited = await long_poll(asking, whole.json(), 1)
    assert waited.content == whole.content
