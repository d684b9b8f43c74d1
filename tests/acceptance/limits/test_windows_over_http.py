"""Contract: how much may be asked, by whom, and what every answer says of it."""

import time

import httpx
import pytest
from tests.acceptance.limits.conftest import BURST, CLIENT_HOUR, HOUR, MINUTE

from polling_api.domain.job import new_job_id
from running.events import open_events
from running.jobs import SET, SIGNED_SET, Job, long_poll, quiet_job, read
from running.signing import Credentials
from running.tokens import bearing, token_for
from running.visitors import ANYWHERE, code_of, left, until_code, visitor

FIGURES = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
WHOAMI = "/api/v1/whoami"
SOME_JOB = f"{SET}/job_{'0' * 32}"


async def test_a_burst_ends_at_its_figure_and_the_headers_count_it_down(somebody: httpx.AsyncClient, job: Job) -> None:
    now = time.time()
    answers = [await read(somebody, job) for _ in range(BURST + 1)]

    *through, refused = answers
    assert [answer.status_code for answer in answers] == [200] * BURST + [429]
    assert [left(answer) for answer in answers] == [*range(BURST - 1, -1, -1), 0]
    assert {answer.headers["x-ratelimit-limit"] for answer in answers} == {str(BURST)}
    assert all(now <= int(answer.headers["x-ratelimit-reset"]) <= time.time() + 11 for answer in through)
    assert code_of(refused) == "rate_limited"
    assert 1 <= int(refused.headers["retry-after"]) == refused.json()["retry_after"] <= 10


async def test_polls_waits_and_streams_of_one_job_are_counted_apart(somebody: httpx.AsyncClient, job: Job) -> None:
    polls = [(await read(somebody, job)).status_code for _ in range(BURST + 1)]

    seen = (await somebody.head(job["links"]["self"], params={"wait": 1})).headers["etag"]
    waited = await long_poll(somebody, job, 1, seen=seen)
    async with open_events(somebody, job["links"]["events"]) as stream:
        followed = stream.response.status_code

    assert polls[-1] == 429
    assert (waited.status_code, followed) == (304, 200)


async def test_another_caller_and_another_job_have_limits_of_their_own(
    here: str, somebody: httpx.AsyncClient, job: Job
) -> None:
    polls = [(await read(somebody, job)).status_code for _ in range(BURST + 1)]

    other_job = await somebody.get(f"{SET}/{new_job_id()}")
    async with visitor(here) as other:
        other_caller = await read(other, job)

    assert polls[-1] == 429
    assert (other_job.status_code, other_caller.status_code) == (404, 200)


async def test_an_unknown_id_counts_like_a_known_one(here: str, job: Job) -> None:
    told = list[list[tuple[str, str]]]()
    for path in (job["links"]["self"], f"{SET}/{new_job_id()}"):
        async with visitor(here) as asking:
            answers = [await asking.get(path) for _ in range(BURST + 1)]
        told.append(
            [(answer.headers["x-ratelimit-limit"], answer.headers["x-ratelimit-remaining"]) for answer in answers]
        )
        assert code_of(answers[-1]) == "rate_limited"

    assert told[0] == told[1]


async def test_a_wait_that_was_held_for_a_second_is_not_in_the_burst(somebody: httpx.AsyncClient, job: Job) -> None:
    seen = (await read(somebody, job)).headers["etag"]

    waits = [await long_poll(somebody, job, 1, seen=seen) for _ in range(BURST + 2)]

    assert [wait.status_code for wait in waits] == [304] * (BURST + 2)
    assert [left(wait) for wait in waits[-2:]] == [MINUTE - BURST - 1, MINUTE - BURST - 2]


async def test_an_hour_ends_at_its_figure_on_both_workers_whatever_is_asked_for(
    here: str, there: str, somebody: httpx.AsyncClient
) -> None:
    answers = [await somebody.get(ANYWHERE) for _ in range(HOUR + 1)]

    async with visitor(there, somebody.headers["x-forwarded-for"]) as elsewhere:
        shared = await until_code(elsewhere, ANYWHERE, "rate_limited")
    submit = await somebody.post(SET, json={})

    assert [answer.status_code for answer in answers] == [404] * HOUR + [429]
    assert int(answers[-1].headers["retry-after"]) > 3000
    assert shared.headers["x-ratelimit-limit"] == str(HOUR)
    assert code_of(submit) == "rate_limited"
    assert here != there


@pytest.mark.parametrize("body", [b'{"jobs":[{}]}', b"not JSON", b"[" * 70_000])
async def test_whose_hour_is_used_up_has_no_body_read(somebody: httpx.AsyncClient, body: bytes) -> None:
    for _ in range(HOUR):
        await somebody.get(ANYWHERE)

    answer = await somebody.post(f"{SET}/batch-get", content=body, headers={"Content-Type": "application/json"})

    assert (code_of(answer), left(answer)) == ("rate_limited", 0)
    assert int(answer.headers["retry-after"]) > 3000


async def test_who_is_not_let_in_is_counted_as_well(somebody: httpx.AsyncClient) -> None:
    answers = [await somebody.get(WHOAMI) for _ in range(HOUR + 1)]

    assert [answer.status_code for answer in answers] == [401] * HOUR + [429]
    assert left(answers[0]) == HOUR - 1


async def test_ordinary_calls_about_a_job_are_limited_too(somebody: httpx.AsyncClient, job: Job) -> None:
    answers = [await somebody.get(f"{job['links']['self']}/history") for _ in range(BURST + 1)]
    others = await somebody.get(job["links"]["results"])

    assert [answer.status_code for answer in answers] == [200] * BURST + [429]
    assert (code_of(answers[-1]), others.status_code) == ("rate_limited", 409)


async def test_a_304_costs_nothing_of_a_known_callers_hour(
    here: str, signer: httpx.AsyncClient, credentials: Credentials
) -> None:
    mine = await quiet_job(signer)
    token = await token_for(signer, mine.json())
    seen = {"If-None-Match": mine.headers["etag"]}
    before = left(await signer.get(WHOAMI))
    polls = [await signer.get(mine.json()["links"]["self"], headers=seen) for _ in range(3)]
    after = left(await signer.get(WHOAMI))

    assert [poll.status_code for poll in polls] == [304] * 3
    assert after == before - 1

    async with visitor(here, token=token) as asking:
        path = f"{SET}/{mine.json()['id']}"
        etag = (await asking.get(path)).headers["etag"]
        others = [(await asking.get(path, headers={"If-None-Match": etag})).status_code for _ in range(3)]
        hour = left(await asking.get(f"{SET}/events", params={"ids": "nothing"}))
    assert others == [304] * 3
    assert hour == 25 - 2
    assert credentials.client_id


async def test_a_304_counts_for_somebody_whom_nobody_knows(somebody: httpx.AsyncClient, job: Job) -> None:
    etag = (await read(somebody, job)).headers["etag"]
    polls = [await somebody.get(job["links"]["self"], headers={"If-None-Match": etag}) for _ in range(3)]

    assert [poll.status_code for poll in polls] == [304] * 3
    assert left(await somebody.get(ANYWHERE)) == HOUR - 5


async def test_clients_and_tokens_count_by_themselves_and_not_by_address(
    here: str, somebody: httpx.AsyncClient, credentials: Credentials
) -> None:
    spent = [await somebody.get(ANYWHERE) for _ in range(HOUR + 1)]
    async with visitor(here, somebody.headers["x-forwarded-for"], signs=credentials) as signing:
        known = await signing.get(WHOAMI)
        token = await token_for(signing)
    with_token = await somebody.get(f"{SET}/{new_job_id()}", headers=bearing(token))

    assert code_of(spent[-1]) == "rate_limited"
    assert (known.status_code, known.headers["x-ratelimit-limit"]) == (200, str(CLIENT_HOUR))
    assert code_of(with_token) == "job_not_found"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{SET}/{'x' * 20}", 404),
        ("GET", ANYWHERE, 404),
        ("PUT", SET, 405),
        ("GET", f"{SIGNED_SET}/events", 401),
        ("GET", f"{SET}/events", 422),
        ("GET", f"{SET}/job_{'0' * 32}/history?limit=0", 422),
        ("POST", SET, 415),
        ("DELETE", f"{SET}/job_{'0' * 32}", 404),
        ("GET", f"{SET}/job_{'0' * 32}?access_token=made-up", 400),
    ],
)
async def test_every_refusal_says_what_is_left(
    somebody: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await somebody.request(method, path)

    assert answer.status_code == status
    assert [name for name in FIGURES if not answer.headers.get(name, "").isdecimal()] == []
    assert len([name for name, _ in answer.headers.multi_items() if name in FIGURES]) == 3


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (SOME_JOB, {"X-Much": "x" * 33_000}, 431),
        (f"{SET}/events?ids={'x' * 17_000}", {}, 414),
        (SOME_JOB, {"Host": "no host!"}, 400),
    ],
    ids=["fields", "target", "host"],
)
async def test_so_does_the_refusal_of_a_head_that_no_route_sees(
    here: str, path: str, headers: dict[str, str], status: int
) -> None:
    async with visitor(here) as asking:
        answer = await asking.get(path, headers=headers)
        elsewhere = await asking.get("/health/live", headers={"X-Much": "x" * 33_000})

    assert answer.status_code == status
    assert [name for name in FIGURES if not answer.headers.get(name, "").isdecimal()] == []
    assert [name for name in FIGURES if name in elsewhere.headers] == []


async def test_a_refused_host_and_a_refused_origin_say_it_too(somebody: httpx.AsyncClient) -> None:
    host = await somebody.get(ANYWHERE, headers={"Host": "elsewhere.example"})
    origin = await somebody.post(SET, json={}, headers={"Origin": "https://elsewhere.example"})

    assert (host.status_code, origin.status_code) == (421, 403)
    assert all(FIGURES[1] in answer.headers for answer in (host, origin))


async def test_preflights_and_operations_are_free(somebody: httpx.AsyncClient) -> None:
    options = [await somebody.options(ANYWHERE) for _ in range(HOUR + 5)]
    health = await somebody.get("/health/live")
    first = await somebody.get(ANYWHERE)

    assert [name for answer in (*options, health) for name in FIGURES if name in answer.headers] == []
    assert (first.status_code, left(first)) == (404, HOUR - 1)
