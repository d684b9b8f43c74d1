"""A dispatcher is woken when somebody may have to be told."""

from datetime import UTC, datetime
from typing import Any

import pytest

from polling_api.domain.job import Job, Progress, Status
from polling_api.hub import Notice
from polling_api.webhooks.alarm import may_be_told

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def version(number: int, **changed: Any) -> Job:
    told: dict[str, Any] = {"status": Status.IN_PROGRESS, "status_version": 3, **changed}
    return Job(
        id="job_1",
        version=number,
        progress=Progress(total=4),
        endpoint="/v1/chat/completions",
        provider="simulator",
        created_at=NOW,
        updated_at=NOW,
        **told,
    )


@pytest.mark.parametrize(
    ("notice", "rings"),
    [
        (Notice.of(version(3)), True),
        (Notice.of(version(4)), False),
        (Notice.of(version(5, status=Status.SUCCEEDED, status_version=5)), True),
        (Notice.gone("job_1"), False),
        (Notice("job_1", 5, None, b'{"of": "another release"}'), True),
    ],
    ids=["a new status", "progress alone", "an end", "deleted", "of another release"],
)
def test_it_is_woken_by_what_may_have_to_be_told(notice: Notice, rings: bool) -> None:  # noqa: FBT001 - a table
    assert may_be_told(notice) is rings
    assert may_be_told(Notice.decode(notice.encode())) is rings
