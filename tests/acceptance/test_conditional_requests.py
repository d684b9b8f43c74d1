"""Contract: Conditional requests (RFC 9110, section 13)."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from running.jobs import QUIET, SET, Job, batch, long_poll, quiet_job, read, until_status

LIMITS = {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}
ORDERED = re.compile(r'W/"(\d+)-[0-9a-f]+"')
FUTURE = 'W/"99-0123456789abcdef"'
LONG_AGO = "Mon, 05 Jan 1998 00:00:00 GMT"


@pytest.fixture(scope="module")
async def settled(client: httpx.AsyncClient, active: httpx.Response) -> httpx.Response:
    """The same as `active`, when the second of its last change is over; the service's own wait is the clock."""
    waited = await long_poll(client, active.json(), 2, seen=active.headers["etag"])
    assert waited.status_code == 304
    return active


async def asked(client: httpx.AsyncClient, seen: httpx.Response, **headers: str) -> httpx.Response:
    """A poll of the same job with further headers; `_` stands for the `-` in their names."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.get(seen.json()["links"]["self"], headers=named)


async def test_the_entity_tag_is_weak_and_names_the_version(active: httpx.Response) -> None:
    found = ORDERED.fullmatch(active.headers["etag"])

    assert found
    assert int(found[1]) == active.json()["version"]


async def test_the_entity_tag_is_the_same_on_every_node(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, active: httpx.Response
) -> None:
    here, there = await read(client, active.json()), await read(other_client, active.json())

    assert here.headers["etag"] == there.headers["etag"] == active.headers["etag"]
    assert here.content == there.content


async def test_the_entity_tag_is_the_same_in_every_coding(client: httpx.AsyncClient, active: httpx.Response) -> None:
    plain = await asked(client, active, Accept_Encoding="identity")
    packed = await asked(client, active, Accept_Encoding="gzip")

    assert plain.headers["etag"] == packed.headers["etag"]


async def test_the_entity_tag_changes_with_the_version(client: httpx.AsyncClient) -> None:
    first = await client.post(SET, json=batch(script=QUIET))

    later = await until_status(client, first.json(), "in_progress")

    assert first.headers["etag"] != later.headers["etag"]


async def test_jobs_in_the_same_version_have_different_tags(client: httpx.AsyncClient, active: httpx.Response) -> None:
    another = await quiet_job(client)

    assert another.json()["version"] == active.json()["version"]
    assert another.headers["etag"] != active.headers["etag"]


async def test_last_modified_is_updated_at(active: httpx.Response) -> None:
    updated_at = datetime.fromisoformat(active.json()["updated_at"])

    assert active.headers["last-modified"] == format_datetime(updated_at.astimezone(UTC), usegmt=True)


@pytest.mark.parametrize(
    "listed",
    ["{etag}", '"other", {etag}', '{etag}, W/"1-0000000000000000"', 'W/"a" ,, {etag} ,', "*"],
)
async def test_what_the_caller_has_seen_is_not_modified(
    client: httpx.AsyncClient, active: httpx.Response, listed: str
) -> None:
    answer = await asked(client, active, If_None_Match=listed.format(etag=active.headers["etag"]))

    assert answer.status_code == 304


async def test_tags_in_several_lines_are_one_list(client: httpx.AsyncClient, active: httpx.Response) -> None:
    lines = [("If-None-Match", '"other"'), ("If-None-Match", active.headers["etag"])]

    answer = await client.get(active.json()["links"]["self"], headers=lines)

    assert answer.status_code == 304


async def test_comparison_is_weak(client: httpx.AsyncClient, active: httpx.Response) -> None:
    answer = await asked(client, active, If_None_Match=active.headers["etag"].removeprefix("W/"))

    assert answer.status_code == 304


@pytest.mark.parametrize("listed", ['W/"1-0000000000000000"', '"other", "another"', "", "unquoted", '"*"'])
async def test_other_tags_get_the_present_state(client: httpx.AsyncClient, active: httpx.Response, listed: str) -> None:
    answer = await asked(client, active, If_None_Match=listed)

    assert answer.status_code == 200
    assert answer.content == active.content


async def test_another_tag_wins_over_a_date_that_matches(client: httpx.AsyncClient, settled: httpx.Response) -> None:
    date = settled.headers["last-modified"]

    answer = await asked(client, settled, If_None_Match='"other"', If_Modified_Since=date)

    assert answer.status_code == 200


async def test_a_tag_that_matches_wins_over_an_old_date(client: httpx.AsyncClient, active: httpx.Response) -> None:
    answer = await asked(client, active, If_None_Match=active.headers["etag"], If_Modified_Since=LONG_AGO)

    assert answer.status_code == 304


async def test_a_date_alone_counts_when_its_second_is_over(client: httpx.AsyncClient, settled: httpx.Response) -> None:
    answer = await asked(client, settled, If_Modified_Since=settled.headers["last-modified"])

    assert answer.status_code == 304
    assert answer.headers["etag"] == settled.headers["etag"]


async def test_a_date_alone_does_not_count_while_its_second_runs(
    client: httpx.AsyncClient, active: httpx.Response
) -> None:
    running = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)

    answer = await asked(client, active, If_Modified_Since=running)

    assert answer.status_code == 200


@pytest.mark.parametrize("date", [LONG_AGO, "yesterday", "", "Mon, 99 Xyz 2026 99:99:99 GMT"])
async def test_older_or_unreadable_dates_get_the_present_state(
    client: httpx.AsyncClient, active: httpx.Response, date: str
) -> None:
    answer = await asked(client, active, If_Modified_Since=date)

    assert answer.status_code == 200


async def test_a_304_has_the_headers_of_the_contract_and_no_others(
    client: httpx.AsyncClient, active: httpx.Response
) -> None:
    answer = await asked(client, active, If_None_Match=active.headers["etag"])

    allowed = {"etag", "cache-control", "vary", "x-correlation-id", "x-api-version", "x-poll-interval", *LIMITS}
    assert set(answer.headers) - {"date"} == allowed  # a server with a clock sends Date (RFC 9110, 6.6.1)
    for shared in ("etag", "cache-control", "vary", "x-poll-interval"):
        assert answer.headers[shared] == active.headers[shared]


async def test_a_waited_304_says_what_was_granted_too(client: httpx.AsyncClient, active: httpx.Response) -> None:
    answer = await asked(client, active, If_None_Match=active.headers["etag"], Prefer="wait=0")

    assert answer.status_code == 304
    assert answer.headers["preference-applied"] == "wait=0"


async def test_a_304_of_a_finished_job_has_no_poll_interval(client: httpx.AsyncClient, ended: Job) -> None:
    present = await read(client, ended)

    answer = await asked(client, present, If_None_Match=present.headers["etag"])

    assert answer.status_code == 304
    assert "x-poll-interval" not in answer.headers


async def test_a_304_has_no_body(client: httpx.AsyncClient, active: httpx.Response) -> None:
    answer = await asked(client, active, If_None_Match="*")

    assert answer.content == b""
    assert "transfer-encoding" not in answer.headers


async def test_head_has_the_headers_of_get_and_no_body(client: httpx.AsyncClient, quiet: Job) -> None:
    url = quiet["links"]["self"]

    head, get = await client.head(url), await client.get(url)

    unlike = {"date", "x-correlation-id", *LIMITS}
    assert {name: value for name, value in head.headers.items() if name not in unlike} == {
        name: value for name, value in get.headers.items() if name not in unlike
    }
    assert (head.status_code, head.content) == (200, b"")


async def test_head_is_conditional_too(client: httpx.AsyncClient, active: httpx.Response) -> None:
    seen = {"If-None-Match": active.headers["etag"]}

    answer = await client.head(active.json()["links"]["self"], headers=seen)

    assert answer.status_code == 304


async def test_a_tag_of_a_version_that_nobody_knows_gets_the_present_state(
    client: httpx.AsyncClient, active: httpx.Response
) -> None:
    answer = await asked(client, active, If_None_Match=FUTURE)

    assert answer.status_code == 200
    assert answer.content == active.content
