"""What a topic takes of the notices it is offered, and what a reader of it is sent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.domain.job import Job, Progress, Status
from polling_api.watch import Topic

BEGAN = datetime(2026, 11, 23, 9, tzinfo=UTC)

# A job's history: in versions 3 and 4, and 7, only its progress moved.
STATUS_VERSIONS = (1, 2, 2, 2, 5, 6, 6, 8)
STATUSES = {
    1: Status.QUEUED,
    2: Status.IN_PROGRESS,
    5: Status.FINALIZING,
    6: Status.CANCELLING,
    8: Status.CANCELLED,
}


def version(number: int, status_version: int, status: Status) -> Job:
    return Job(
        id="job_" + "0" * 32,
        version=number,
        status=status,
        status_version=status_version,
        progress=Progress(total=100, completed=number),
        endpoint="/v1/chat/completions",
        provider="simulator",
        created_at=BEGAN,
        updated_at=BEGAN + timedelta(seconds=number),
    )


HISTORY = {number: version(number, began, STATUSES[began]) for number, began in enumerate(STATUS_VERSIONS, start=1)}
TRANSITIONS = [HISTORY[number] for number in STATUSES]


def topic_after(*offered: int) -> Topic:
    topic = Topic("job_" + "0" * 32, now=0.0)
    for number in offered:
        topic.offer(HISTORY[number])
    return topic


def sent(topic: Topic, seen: int) -> list[int] | None:
    missed = topic.since(seen)
    return None if missed is None else [snapshot.job.version for snapshot in missed]


@pytest.mark.parametrize(
    ("known", "offered", "taken"),
    [
        ((), 1, True),
        ((), 8, True),
        ((1,), 2, True),
        ((1,), 8, True),
        ((2,), 2, False),
        ((5,), 4, False),
        ((1, 8), 5, False),
    ],
)
def test_only_a_newer_version_is_taken(known: tuple[int, ...], offered: int, taken: bool) -> None:  # noqa: FBT001
    topic = topic_after(*known)

    assert topic.offer(HISTORY[offered]) is taken
    assert topic.snapshot
    assert topic.snapshot.job.version == max([*known, offered])


@pytest.mark.parametrize(
    ("offered", "seen", "expected"),
    [
        # The first version a process learns is whole for those who have seen the status before it.
        ((1,), 0, [1]),
        ((1,), 1, []),
        ((5,), 4, [5]),
        ((5,), 5, []),
        ((5,), 3, None),
        ((4,), 1, [4]),
        ((4,), 0, None),
        # Without a gap every status is known.
        ((1, 2, 3, 4, 5, 6, 7, 8), 0, [1, 4, 5, 7, 8]),
        ((1, 2, 3, 4, 5, 6, 7, 8), 3, [4, 5, 7, 8]),
        ((1, 2, 3, 4, 5, 6, 7, 8), 4, [5, 7, 8]),
        ((1, 2, 3, 4, 5, 6, 7, 8), 7, [8]),
        ((1, 2, 3, 4, 5, 6, 7, 8), 8, []),
        # Progress that was missed is no gap.
        ((1, 2, 4, 5), 1, [4, 5]),
        ((2, 4, 5), 2, [4, 5]),
        # A status that was missed is one, for those who have not seen it elsewhere.
        ((1, 5), 1, None),
        ((1, 5), 4, [5]),
        ((1, 2, 6, 8), 2, None),
        ((1, 2, 6, 8), 5, None),
        ((1, 2, 7, 8), 5, [7, 8]),
        # A reader from the future is sent nothing.
        ((1, 2), 9, []),
    ],
)
def test_a_reader_is_sent_what_it_has_missed_or_the_past_has_to_be_read(
    offered: tuple[int, ...], seen: int, expected: list[int] | None
) -> None:
    assert sent(topic_after(*offered), seen) == expected


def test_a_topic_without_a_snapshot_has_nothing_to_send() -> None:
    topic = topic_after()

    assert topic.since(0) is None
    assert topic.complete(TRANSITIONS) is False


@pytest.mark.parametrize(
    ("offered", "read_at", "completed", "expected"),
    [
        ((1, 5), 5, True, [1, 2, 5]),
        ((5, 6, 7), 8, True, [1, 2, 5, 7]),
        ((8,), 8, True, [1, 2, 5, 6, 8]),
        ((1, 2, 3), 8, True, [1, 3]),
        ((1, 8), 6, False, None),
        ((5,), 2, False, None),
        # What a late notice brought counts, not what the read did not reach yet.
        ((5, 6), 5, True, [1, 2, 5, 6]),
    ],
)
def test_the_past_is_filled_in_by_a_read_that_came_late_enough(
    offered: tuple[int, ...], read_at: int, expected: list[int] | None, *, completed: bool
) -> None:
    topic = topic_after(*offered)

    assert topic.complete([job for job in TRANSITIONS if job.version <= read_at]) is completed
    assert sent(topic, 0) == expected


def test_two_readers_may_fill_in_the_same_past() -> None:
    topic = topic_after(5, 6)

    topic.complete(TRANSITIONS)
    topic.complete(TRANSITIONS)

    assert sent(topic, 0) == [1, 2, 5, 6]


@dataclass
class Reader:
    """Follows a topic as a stream does."""

    seen: int
    received: list[Job]

    def catch_up(self, topic: Topic, read_past: Callable[[], Sequence[Job]]) -> None:
        while (missed := topic.since(self.seen)) is None:
            topic.complete(read_past())
        self.received += [snapshot.job for snapshot in missed]
        self.seen = max(self.seen, *(snapshot.job.version for snapshot in missed), 0)


@st.composite
def histories(draw: st.DrawFn) -> list[Job]:
    """Any course of statuses, each with any number of versions in which progress alone moved."""
    lengths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=6))
    order = draw(st.permutations(list(Status)))
    jobs: list[Job] = []
    for status, length in zip(order, lengths, strict=False):
        began = len(jobs) + 1
        jobs += [version(began + offset, began, status) for offset in range(length)]
    return jobs


@given(data=st.data(), history=histories())
def test_any_order_loss_and_doubling_of_notices_gives_a_reader_every_status_in_order(
    data: st.DataObject, history: list[Job]
) -> None:
    notices = data.draw(st.lists(st.sampled_from(history), max_size=20))
    joined_after = data.draw(st.integers(0, history[-1].version))
    topic, reader = Topic(history[0].id, now=0.0), Reader(joined_after, [])
    transitions = [job for job in history if job.version == job.status_version]

    def read_past() -> Sequence[Job]:
        """A read that may be overtaken, but never twice the same way: the last one reaches everything."""
        reached = data.draw(st.sampled_from([history[-1].version, *(job.version for job in notices)]))
        return [job for job in transitions if job.version <= reached]

    for notice in [*notices, history[-1]]:  # the comparison brings the last version at the latest
        topic.offer(notice)
        if data.draw(st.booleans()):
            reader.catch_up(topic, read_past)
    reader.catch_up(topic, read_past)

    versions = [job.version for job in reader.received]
    assert all(earlier < later for earlier, later in pairwise([joined_after, *versions]))
    missed = [job.status for job in transitions if job.version > joined_after]
    assert [status for status in dict.fromkeys(job.status for job in reader.received) if status in missed] == missed
    assert topic.snapshot
    assert topic.snapshot.job == history[-1]
