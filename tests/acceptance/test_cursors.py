"""Contract: a cursor is signed, and good on every node and after a restart, whatever became of the jobs meanwhile."""

from collections.abc import AsyncIterator

import pytest

from running.asking import asking
from running.events import open_events
from running.jobs import QUIET, SET, Job, submit, until_status, until_terminal
from running.service import MASTER_KEY, Service, running_service

MANY = f"{SET}/events"


@pytest.fixture(scope="module")
async def mortal(postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A service of its own, which the tests restart."""
    async with running_service(postgres_url, redis_url, folder=tmp_path_factory.mktemp("mortal")) as running:
        yield running


async def restart(service: Service, *, master_keys: str) -> None:
    """End every process of ours, and start them anew with these keys."""
    for child in [*service.workers, *service.monitors]:
        await child.stop()
        child.environment["POLLING_MASTER_KEYS"] = master_keys
        await child.start()
    await service.ready()


async def test_cursors_resume_after_a_restart_with_a_job_ended_and_one_deleted_meanwhile(mortal: Service) -> None:
    async with asking(mortal.url) as client:
        jobs = [(await until_status(client, await submit(client, QUIET), "in_progress")).json() for _ in range(3)]
        ids = {"ids": ",".join(job["id"] for job in jobs)}
        async with open_events(client, MANY, params=ids) as stream:
            last = [await stream.event() for _ in jobs][-1]
        history = f"{jobs[0]['links']['self']}/history"
        cursor = (await client.get(history, params={"limit": 1})).json()["next_cursor"]

        await restart(mortal, master_keys=f"another-key-since-then,{MASTER_KEY}")
        for job in jobs[:2]:
            await client.post(job["links"]["cancel"])
            await until_terminal(client, job)
        await client.delete(jobs[1]["links"]["self"])
        async with open_events(client, MANY, params=ids, last_event_id=last.id) as stream:
            missed = [await stream.event() for _ in range(3)]
        page = await client.get(history, params={"cursor": cursor})

    told: list[Job] = [event.job for event in missed]
    assert {job["id"] for job in told if job.get("code") == "job_not_found"} == {jobs[1]["id"]}
    assert [job["status"] for job in told if job["id"] == jobs[0]["id"]] == ["cancelling", "cancelled"]
    assert page.json()["data"][0]["version"] == 2


async def test_a_cursor_signed_by_a_key_that_is_no_longer_there_is_refused(mortal: Service) -> None:
    async with asking(mortal.url) as client:
        job = await until_status(client, await submit(client, QUIET), "in_progress")
        history = f"{job.json()['links']['self']}/history"
        cursor = (await client.get(history, params={"limit": 1})).json()["next_cursor"]

        await restart(mortal, master_keys="yet-another-key-alone")
        answer = await client.get(history, params={"cursor": cursor})

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")
