"""Jobs for tests, submitted as a client does; every wait is the service's own long poll."""

from typing import Any, Final

import httpx

from running.planted import MODEL

Job = dict[str, Any]

# The course of a simulated batch, in statuses; the service's own lie around it.
QUICK: Final = "in_progress 0.05s @50%, succeeded"
QUIET: Final = "in_progress 600s @50%, succeeded"

SET: Final = "/api/v1/jobs"
SIGNED_SET: Final = "/api/v1/batch-status"


def set_of(client: httpx.AsyncClient) -> str:
    """The path of the set of endpoints that a client calls: one that signs has its own."""
    return SET if client.auth is None else SIGNED_SET


def batch(items: int = 2, *, script: str | None = None, **options: Any) -> dict[str, Any]:
    """The body of a submit: so many requests, and a script for the simulator."""
    if script is not None:
        options["metadata"] = {**options.get("metadata", {}), "simulator": script}
    requests = [{"custom_id": f"item-{number}", "body": {"model": MODEL}} for number in range(items)]
    return {"requests": requests, **options}


async def submit(client: httpx.AsyncClient, script: str | None = QUICK, *, items: int = 2, **options: Any) -> Job:
    """Submit a batch to the client's own set, and return the job as the `202` shows it."""
    answer = await client.post(set_of(client), json=batch(items, script=script, **options))
    assert answer.status_code == 202, answer.text
    return answer.json()


async def read(client: httpx.AsyncClient, job: Job) -> httpx.Response:
    """One plain poll."""
    return await client.get(job["links"]["self"])


async def long_poll(
    client: httpx.AsyncClient, job: Job, seconds: int, *, seen: str | None = None, until: str = "change"
) -> httpx.Response:
    """One wait of so many seconds, with the entity tag of what was seen."""
    return await client.get(
        job["links"]["self"],
        params={"wait": seconds, "until": until},
        headers={} if seen is None else {"If-None-Match": seen},
        timeout=seconds + 10,
    )


async def until_terminal(client: httpx.AsyncClient, job: Job, *, polls: int = 4) -> Job:
    """Wait for the end, by at most so many long polls of 10 s.

    Raises:
        AssertionError: it has not ended by then.
    """
    present = job
    for _ in range(polls):
        if present["terminal"]:
            return present
        answer = await long_poll(client, job, 10, until="terminal")
        assert answer.status_code == 200, answer.text
        present = answer.json()
    assert present["terminal"], f"not ended after {polls} polls: {present}"
    return present


async def until_status(client: httpx.AsyncClient, job: Job, status: str, *, polls: int = 10) -> httpx.Response:
    """Follow the job, change by change, until it has `status`; the answer that shows it.

    Raises:
        AssertionError: it ended otherwise, or did not get there within so many long polls of 10 s.
    """
    answer = await read(client, job)
    for _ in range(polls):
        if answer.json()["status"] == status:
            return answer
        assert not answer.json()["terminal"], f"ended before it was {status}: {answer.text}"
        later = await long_poll(client, job, 10, seen=answer.headers["etag"], until="status")
        answer = answer if later.status_code == 304 else later
    raise AssertionError(f"not {status} after {polls} polls: {answer.text}")


async def ended_job(client: httpx.AsyncClient, script: str = QUICK, *, items: int = 2, **options: Any) -> Job:
    """Submit a batch and see it end."""
    return await until_terminal(client, await submit(client, script, items=items, **options))


async def quiet_job(client: httpx.AsyncClient, *, items: int = 2) -> httpx.Response:
    """A job that is in progress and does not change for ten minutes; the plain poll that shows it."""
    job = await submit(client, QUIET, items=items)
    await until_status(client, job, "in_progress")
    return await read(client, job)
