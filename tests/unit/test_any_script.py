"""What becomes of a job whose provider follows a script, by the looks that a monitor takes at it. Nothing runs here."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from polling_api.domain.advance import Observed, SubmissionStarted, advance
from polling_api.domain.job import TERMINAL, Job, Progress, Status
from polling_api.domain.script import parse_script
from polling_api.providers.openai.wire import read_batch
from polling_api.providers.simulator.course import BatchRecord, Pace, state_at
from polling_api.providers.simulator.objects import batch_object

BORN = datetime(2026, 11, 23, 9, tzinfo=UTC)
TOTAL = 7
# Cancels of the provider's own are left out: it makes none that nobody asked for.
STATUSES = st.sampled_from([Status.QUEUED, Status.SUBMITTING, Status.IN_PROGRESS, Status.FINALIZING])


def step_text(status: Status, tenths: int, percent: int, fail: int) -> str:
    return f"{status} {tenths / 10}s @{percent}% fail={fail}"


def script_text(steps: list[str], last: Status) -> str:
    return ", ".join([*steps, last])


STEPS = st.builds(step_text, STATUSES, st.integers(1, 50), st.integers(0, 100), st.integers(0, 9))
SCRIPTS = st.builds(script_text, st.lists(STEPS, max_size=8), st.sampled_from(sorted(TERMINAL)))
LOOKS = st.lists(st.floats(0, 60), min_size=1, max_size=20).map(sorted)
LADDER = [Status.QUEUED, Status.SUBMITTING, Status.IN_PROGRESS, Status.FINALIZING]


def lived(script: str, looks: Sequence[float]) -> list[Job]:
    """The versions of a job that was looked at so many seconds after its submission."""
    record = BatchRecord(
        id="batch_1",
        number=1,
        input_file_id="file-1",
        endpoint="/v1/completions",
        created_at=BORN.timestamp(),
        total=TOTAL,
        pace=Pace(),
        metadata={"simulator": script},
    )
    job = Job(
        id="job_0b5c1e0e3a7f4a52b1d95f0c6a3e8d21",
        version=1,
        status=Status.QUEUED,
        status_version=1,
        progress=Progress(total=TOTAL),
        endpoint="/v1/completions",
        provider="simulator",
        created_at=BORN,
        updated_at=BORN,
    )
    versions = [job]
    for event, at in [(SubmissionStarted(), 0.0), *((seen(record, at), at) for at in looks)]:
        now = BORN + timedelta(seconds=at)
        if made := advance(versions[-1], event, now=now):
            latest = versions[-1]
            versions.append(
                replace(latest, version=latest.version + 1, status=made.status, progress=made.progress, updated_at=now)
            )
    return versions


def seen(record: BatchRecord, at: float) -> Observed:
    """What a look tells, over the provider's wire."""
    return read_batch(batch_object(record, state_at(record, BORN.timestamp() + at))).observed


@given(SCRIPTS, LOOKS)
def test_a_job_has_the_statuses_that_were_looked_at_but_for_those_that_go_back(script: str, looks: list[float]) -> None:
    course = parse_script(script)
    looked_at = [Status.FINALIZING if course.at(at).status.terminal else course.at(at).status for at in looks]

    statuses = [job.status for job in lived(script, looks)]

    expected = [Status.QUEUED, Status.SUBMITTING]
    for status in looked_at:
        if LADDER.index(status) > LADDER.index(expected[-1]):
            expected.append(status)
    assert [status for status, following in pairwise([*statuses, None]) if status != following] == expected


@given(SCRIPTS, LOOKS)
def test_its_progress_never_goes_back_and_is_never_more_than_the_whole(script: str, looks: list[float]) -> None:
    jobs = lived(script, looks)

    for earlier, later in pairwise(job.progress for job in jobs):
        assert earlier.completed <= later.completed
        assert earlier.failed <= later.failed
        assert later.done <= TOTAL


@given(SCRIPTS, LOOKS)
def test_progress_alone_makes_at_most_one_version_a_second(script: str, looks: list[float]) -> None:
    for earlier, later in pairwise(lived(script, looks)):
        assert later.status != earlier.status or later.updated_at - earlier.updated_at >= timedelta(seconds=1)
