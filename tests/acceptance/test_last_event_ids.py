"""Contract: whatever a reconnecting reader says it has seen, of one job and of many, in the header and in the query."""

import re
from collections.abc import Sequence

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from running.events import Event, EventParser
from running.jobs import SET, Job, ended_job

OVER_HTTP = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MANY = f"{SET}/events"

# What a header field may hold (RFC 9110, section 5.5), without white space around it.
FIELD_VALUES = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20).map(str.strip)
# Of those from the future there are few: before one is believed to be that, the primary is asked, once a second.
NUMBERS = (
    st.integers(0, 5).map(str)
    | st.integers(max_value=-1).map(str)
    | st.integers(10**9).map(str)
    | st.sampled_from(["05", "5.0", "+5", "1e0", "5,4", "6"])
)
IN_HEADER = FIELD_VALUES | NUMBERS
IN_QUERY = st.text(st.characters(codec="utf-8"), max_size=20) | NUMBERS | st.just("\N{ARABIC-INDIC DIGIT FIVE}")


async def told(
    client: httpx.AsyncClient, url: str, params: dict[str, str], header: str | None = None
) -> tuple[int, Sequence[Event]]:
    """The answer's status, and the events of a stream that ends at once."""
    headers = [] if header is None else [(b"last-event-id", header.encode("latin-1"))]
    answer = await client.get(url, params=params, headers=headers)
    items = EventParser().feed(answer.content + b"\n") if answer.status_code == 200 else []
    return answer.status_code, [item for item in items if isinstance(item, Event)]


def expected_after(ended: Job, seen: str) -> tuple[int, list[int]]:
    """The status and the versions due to who has seen `seen`; each version of this job has a status of its own."""
    if not re.fullmatch("[0-9]{1,9}", seen) or int(seen) > ended["version"]:
        return 200, [ended["version"]]  # as on a first visit
    after = list(range(int(seen) + 1, ended["version"] + 1))
    return (200, after) if after else (204, [])


@OVER_HTTP
@given(seen=IN_HEADER, beside=st.none() | NUMBERS)
async def test_a_header_of_any_kind_resumes_or_is_ignored(
    client: httpx.AsyncClient, ended: Job, seen: str, beside: str | None
) -> None:
    params = {} if beside is None else {"last_event_id": beside}

    status, events = await told(client, ended["links"]["events"], params, seen)

    assert (status, [event.version for event in events]) == expected_after(ended, seen)


@OVER_HTTP
@given(seen=IN_QUERY)
async def test_so_does_the_query(client: httpx.AsyncClient, ended: Job, seen: str) -> None:
    status, events = await told(client, ended["links"]["events"], {"last_event_id": seen})

    assert (status, [event.version for event in events]) == expected_after(ended, seen)


@pytest.fixture(scope="module")
async def other(client: httpx.AsyncClient) -> Job:
    """Another job that has ended."""
    return await ended_job(client)


@pytest.fixture(scope="module")
async def cursors(client: httpx.AsyncClient, ended: Job, other: Job) -> list[str]:
    """All cursors of a stream of both jobs."""
    _, events = await told(client, MANY, {"ids": f"{ended['id']},{other['id']}"})
    return [event.id for event in events]


@OVER_HTTP
@given(seen=IN_HEADER)
async def test_no_made_up_cursor_hides_anything(client: httpx.AsyncClient, ended: Job, other: Job, seen: str) -> None:
    status, events = await told(client, MANY, {"ids": f"{ended['id']},{other['id']}"}, seen)

    assert (status, [event.job["id"] for event in events]) == (200, [ended["id"], other["id"]])


@OVER_HTTP
@given(data=st.data())
async def test_nor_does_one_that_was_changed(
    client: httpx.AsyncClient, ended: Job, other: Job, cursors: list[str], data: st.DataObject
) -> None:
    cursor = data.draw(st.sampled_from(cursors))
    place = data.draw(st.integers(0, len(cursor) - 2))  # the very last has bits that mean nothing
    put = data.draw(st.sampled_from(["", "A", "b", "-", "=", ".", "%41"]).filter(lambda put: put != cursor[place]))

    status, events = await told(
        client, MANY, {"ids": f"{ended['id']},{other['id']}"}, cursor[:place] + put + cursor[place + 1 :]
    )

    assert (status, len(events)) == (200, 2)


async def test_the_cursors_themselves_resume_after_what_they_stand_for(
    client: httpx.AsyncClient, ended: Job, other: Job, cursors: list[str]
) -> None:
    both = {"ids": f"{ended['id']},{other['id']}"}

    answers = [await told(client, MANY, both, cursor) for cursor in cursors]

    assert [(status, len(events)) for status, events in answers] == [(200, 1), (204, 0)]
    assert answers[0][1][0].job == other
