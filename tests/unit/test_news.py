"""What many streams are sent, and what many waits are answered, made once for all of them."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from polling_api import metrics
from polling_api.api.answers import MOST_KEPT, not_modified, state
from polling_api.api.news import News
from polling_api.domain.job import Job, Progress, Status
from polling_api.representation import Form, Rendered

COUNTED = "polling_commit_to_socket_seconds_count"
FORM = Form("/api/v1/jobs")


@pytest.fixture
def job() -> Job:
    now = datetime.now(UTC)
    return Job(
        id="job_" + "0" * 32,
        version=3,
        status=Status.IN_PROGRESS,
        status_version=2,
        progress=Progress(total=4),
        endpoint="/v1/chat/completions",
        provider="simulator",
        created_at=now,
        updated_at=now,
    )


def counted() -> float:
    """Events that were written to streams."""
    return metrics.REGISTRY.get_sample_value(COUNTED, {"transport": "stream"}) or 0.0


async def test_every_stream_that_is_written_to_counts(job: Job) -> None:
    news, before = News(b"id: 3\n\n", job), counted()

    for _ in range(3):
        news.count()
    await asyncio.sleep(0)
    news.count()
    await asyncio.sleep(0)

    assert counted() - before == 4


def test_the_end_of_a_job_ends_the_stream(job: Job) -> None:
    ended = replace(job, status=Status.SUCCEEDED)

    assert (News(b"id: 3\n\n", job).last, News(b"id: 3\n\n", ended).last) == (False, True)
    assert News(b"id: 3\n\n", ended).part["more_body"] is False


def test_waits_of_the_same_length_share_their_answer(job: Job) -> None:
    rendered = Rendered(job, FORM)

    assert state(rendered, granted=30) is state(rendered, granted=30)
    assert (b"preference-applied", b"wait=5") in state(rendered, granted=5).headers
    assert (b"cache-control", b"no-store") in not_modified(rendered, granted=5).headers
    assert (b"cache-control", b"private, max-age=30") in state(rendered, granted=None).headers


def test_waits_of_very_many_lengths_fill_no_memory(job: Job) -> None:
    rendered = Rendered(job, FORM)

    told = [dict(state(rendered, granted=seconds).headers)[b"preference-applied"] for seconds in range(2 * MOST_KEPT)]

    assert told == [b"wait=%d" % seconds for seconds in range(2 * MOST_KEPT)]
    assert len(rendered.answers) == MOST_KEPT
