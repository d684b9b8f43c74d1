"""What wakes a monitor, and what does not."""

from datetime import UTC, datetime

import pytest

from polling_api.domain.job import Job, Progress, Status
from polling_api.hub import Alarm, Notice
from polling_api.monitor.alarm import needs_a_look

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def notice(status: Status, version: int) -> Notice:
    job = Job(
        id="job_1",
        version=version,
        status=status,
        status_version=version,
        progress=Progress(4),
        endpoint="/v1/responses",
        provider="simulator",
        created_at=NOW,
        updated_at=NOW,
        metadata={"status": "cancelling"},
    )
    return Notice.of(job)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(notice(Status.QUEUED, 1), id="a new job"),
        pytest.param(notice(Status.CANCELLING, 4), id="a cancel"),
    ],
)
def test_what_monitors_have_to_look_at_rings(told: Notice) -> None:
    alarm = Alarm(needs_a_look)

    alarm.notice(told)

    assert alarm.ringing.is_set()


@pytest.mark.parametrize(
    "told",
    [
        *(notice(status, 4) for status in Status if status is not Status.CANCELLING),
        Notice.gone("job_1"),
        Notice("job_1", 7, None, b"{}"),
        Notice("job_1", 7, None, b"no JSON"),
        Notice("job_1", 7, None, b"[1]"),
    ],
)
def test_all_else_wakes_nobody(told: Notice) -> None:
    alarm = Alarm(needs_a_look)

    alarm.notice(told)

    assert not alarm.ringing.is_set()


def test_whoever_may_have_missed_something_looks() -> None:
    alarm = Alarm(needs_a_look)

    alarm.gap()

    assert alarm.ringing.is_set()
