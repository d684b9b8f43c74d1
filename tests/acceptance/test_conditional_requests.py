"""Contract: Conditional requests (RFC 9110, section 13)."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from running.events import open_events
from running.jobs import QUIET, SET, Job, batch, ended_job, quiet_job, read, until_status

VARY = "Accept, Accept-Encoding, Authorization, Prefer, X-API-Version, Origin"
ORDERED = re.compile(r'W/"(\d+)-[0-9a-f]+"')
FUTURE = 'W/"99-0123456789abcdef"'
LONG_AGO = "Mon, 05 Jan 1998 00:00:00 GMT"


@pytest.fixture(scope="module")
async def quiet(client: httpx.AsyncClient) -> httpx.Response:
    """The `200` that shows a job which does not change."""
    return await quiet_job(client)


@pytest.fixture(scope="module")
async def settled(client: httpx.AsyncClient, quiet: httpx.Response) -> httpx.Response:
    """The same, when the second of its last change is over; the service's own wait is the clock."""
    unchanged = {"If-None-Match": quiet.headers["etag"], "Prefer": "wait=2"}
    await client.get(quiet.json()["links"]["self"], headers=unchanged)
    return quiet


@pytest.fixture(scope="module")
async def ended(client: httpx.AsyncClient) -> Job:
    """A job that has ended."""
    return await ended_job(client)


async def asked(client: httpx.AsyncClient, seen: httpx.Response, **headers: str) -> httpx.Response:
    """A poll of the same job with further headers; `_` stands for the `-` in their names."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.get(seen.json()["links"]["self"], headers=named)


async def test_the_entity_tag_is_weak_and_names_the_version(quiet: httpx.Response) -> None:
    found = ORDERED.fullmatch(quiet.headers["etag"])

    assert found
    assert int(found[1]) == quiet.json()["version"]


async def test_the_entity_tag_is_the_same_on_every_node(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, quiet: httpx.Response
) -> None:
    here, there = await read(client, quiet.json()), await read(other_client, quiet.json())

    assert here.headers["etag"] == there.headers["etag"] == quiet.headers["etag"]
    assert here.content == there.content


async def test_the_entity_tag_is_the_same_in_every_coding(client: httpx.AsyncClient, quiet: httpx.Response) -> None:
    plain = await asked(client, quiet, Accept_Encoding="identity")
    packed = await asked(client, quiet, Accept_Encoding="gzip")

    assert plain.headers["etag"] == packed.headers["etag"]


async def test_the_entity_tag_changes_with_the_version(client: httpx.AsyncClient) -> None:
    first = await client.post(SET, json=batch(script=QUIET))

    later = await until_status(client, first.json(), "in_progress")

    assert first.headers["etag"] != later.headers["etag"]


async def test_jobs_in_the_same_version_have_different_tags(client: httpx.AsyncClient, quiet: httpx.Response) -> None:
    another = await quiet_job(client)

    assert another.json()["version"] == quiet.json()["version"]
    assert another.headers["etag"] != quiet.headers["etag"]


async def test_last_modified_is_updated_at(quiet: httpx.Response) -> None:
    updated_at = datetime.fromisoformat(quiet.json()["updated_at"])

    assert quiet.headers["last-modified"] == format_datetime(updated_at.astimezone(UTC), usegmt=True)


@pytest.mark.parametrize(
    "listed",
    ["{etag}", '"other", {etag}', '{etag}, W/"1-0000000000000000"', 'W/"a" ,, {etag} ,', "*"],
)
async def test_what_the_caller_has_seen_is_not_modified(
    client: httpx.AsyncClient, quiet: httpx.Response, listed: str
) -> None:
    answer = await asked(client, quiet, If_None_Match=listed.format(etag=quiet.headers["etag"]))

    assert answer.status_code == 304


async def test_tags_in_several_lines_are_one_list(client: httpx.AsyncClient, quiet: httpx.Response) -> None:
    lines = [("If-None-Match", '"other"'), ("If-None-Match", quiet.headers["etag"])]

    answer = await client.get(quiet.json()["links"]["self"], headers=lines)

    assert answer.status_code == 304


async def test_comparison_is_weak(client: httpx.AsyncClient, quiet: httpx.Response) -> None:
    answer = await asked(client, quiet, If_None_Match=quiet.headers["etag"].removeprefix("W/"))

    assert answer.status_code == 304


@pytest.mark.parametrize("listed", ['W/"1-0000000000000000"', '"other", "another"', "", "unquoted", '"*"'])
async def test_other_tags_get_the_present_state(client: httpx.AsyncClient, quiet: httpx.Response, listed: str) -> None:
    answer = await asked(client, quiet, If_None_Match=listed)

    assert answer.status_code == 200
    assert answer.content == quiet.content


async def test_another_tag_wins_over_a_date_that_matches(client: httpx.AsyncClient, settled: httpx.Response) -> None:
    date = settled.headers["last-modified"]

    answer = await asked(client, settled, If_None_Match='"other"', If_Modified_Since=date)

    assert answer.status_code == 200


async def test_a_tag_that_matches_wins_over_an_old_date(client: httpx.AsyncClient, quiet: httpx.Response) -> None:
    answer = await asked(client, quiet, If_None_Match=quiet.headers["etag"], If_Modified_Since=LONG_AGO)

    assert answer.status_code == 304


async def test_a_date_alone_counts_when_its_second_is_over(client: httpx.AsyncClient, settled: httpx.Response) -> None:
    answer = await asked(client, settled, If_Modified_Since=settled.headers["last-modified"])

    assert answer.status_code == 304
    assert answer.headers["etag"] == settled.headers["etag"]


async def test_a_date_alone_does_not_count_while_its_second_runs(
    client: httpx.AsyncClient, quiet: httpx.Response
) -> None:
    running = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)

    answer = await asked(client, quiet, If_Modified_Since=running)

    assert answer.status_code == 200


@pytest.mark.parametrize("date", [LONG_AGO, "yesterday", "", "Mon, 99 Xyz 2026 99:99:99 GMT"])
async def test_older_or_unreadable_dates_get_the_present_state(
    client: httpx.AsyncClient, quiet: httpx.Response, date: str
) -> None:
    answer = await asked(client, quiet, If_Modified_Since=date)

    assert answer.status_code == 200


async def test_a_304_has_the_headers_of_the_contract_and_no_others(
    client: httpx.AsyncClient, quiet: httpx.Response
) -> None:
    answer = await asked(client, quiet, If_None_Match=quiet.headers["etag"])

    allowed = {"etag", "cache-control", "vary", "x-correlation-id", "x-api-version", "x-poll-interval"}
    assert set(answer.headers) - {"date"} == allowed  # a server with a clock sends Date (RFC 9110, 6.6.1)
    for shared in ("etag", "cache-control", "vary", "x-poll-interval"):
        assert answer.headers[shared] == quiet.headers[shared]


async def test_a_waited_304_says_what_was_granted_too(client: httpx.AsyncClient, quiet: httpx.Response) -> None:
    answer = await asked(client, quiet, If_None_Match=quiet.headers["etag"], Prefer="wait=0")

    assert answer.status_code == 304
    assert answer.headers["preference-applied"] == "wait=0"


async def test_a_304_of_a_finished_job_has_no_poll_interval(client: httpx.AsyncClient, ended: Job) -> None:
    present = await read(client, ended)

    answer = await asked(client, present, If_None_Match=present.headers["etag"])

    assert answer.status_code == 304
    assert "x-poll-interval" not in answer.headers


async def test_a_304_has_no_body(client: httpx.AsyncClient, quiet: httpx.Response) -> None:
    answer = await asked(client, quiet, If_None_Match="*")

    assert answer.content == b""
    assert "transfer-encoding" not in answer.headers


async def test_head_has_the_headers_of_get_and_no_body(client: httpx.AsyncClient, quiet: httpx.Response) -> None:
    url = quiet.json()["links"]["self"]

    head, get = await client.head(url), await client.get(url)

    unlike = {"date", "x-correlation-id"}
    assert {name: value for name, value in head.headers.items() if name not in unlike} == {
        name: value for name, value in get.headers.items() if name not in unlike
    }
    assert (head.status_code, head.content) == (200, b"")


async def test_head_is_conditional_too(client: httpx.AsyncClient, quiet: httpx.Response) -> None:
    seen = {"If-None-Match": quiet.headers["etag"]}

    answer = await client.head(quiet.json()["links"]["self"], headers=seen)

    assert answer.status_code == 304


async def test_an_active_job_may_be_kept_for_30_seconds(quiet: httpx.Response) -> None:
    assert quiet.headers["cache-control"] == "private, max-age=30"


async def test_a_finished_job_may_be_kept_for_a_day(client: httpx.AsyncClient, ended: Job) -> None:
    answer = await read(client, ended)

    assert answer.headers["cache-control"] == "private, max-age=86400"


async def test_an_answer_to_a_request_that_asked_to_wait_is_not_stored(
    client: httpx.AsyncClient, ended: Job, quiet: httpx.Response
) -> None:
    by_query = await client.get(ended["links"]["self"], params={"wait": 1})
    by_header = await asked(client, quiet, If_None_Match="*", Prefer="wait=1")
    submitted = await client.post(SET, json=batch(script=QUIET), headers={"Prefer": "wait=0"})

    assert [one.headers["cache-control"] for one in (by_query, by_header, submitted)] == ["no-store"] * 3


async def test_a_refusal_is_not_stored(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{SET}/job_{'0' * 32}")

    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"


async def test_every_answer_says_what_it_varies_with(client: httpx.AsyncClient, ended: Job) -> None:
    submitted = await client.post(SET, json=batch(script=QUIET))
    missing = await client.get(f"{SET}/job_{'0' * 32}")
    results = await client.get(ended["links"]["results"])
    async with open_events(client, ended["links"]["events"]) as stream:
        streamed = stream.response

    answers = [await read(client, ended), submitted, missing, results, streamed]
    assert [answer.headers["vary"] for answer in answers] == [VARY] * 5


async def test_an_unfinished_job_says_when_asking_again_is_worth_it(
    client: httpx.AsyncClient, quiet: httpx.Response
) -> None:
    submitted = await client.post(SET, json=batch(script=QUIET))

    intervals = [int(answer.headers["x-poll-interval"]) for answer in (quiet, submitted)]
    assert [interval for interval in intervals if not 1 <= interval <= 300] == []


async def test_a_finished_job_is_not_worth_asking_again(client: httpx.AsyncClient, ended: Job) -> None:
    assert "x-poll-interval" not in (await read(client, ended)).headers


async def test_a_tag_of_a_version_that_nobody_knows_gets_the_present_state(
    client: httpx.AsyncClient, quiet: httpx.Response
) -> None:
    answer = await asked(client, quiet, If_None_Match=FUTURE)

    assert answer.status_code == 200
    assert answer.content == quiet.content
