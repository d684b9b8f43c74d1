"""What a client's feed tells of notices and answers, without I/O."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from polling_api.domain.job import Job, Progress, Status
from polling_api.domain.places import Horizon, Move, Moves, Place
from polling_api.hub import Notice
from polling_api.watch.client_feed import ASK_FROM, MOST_BEYOND, MOST_KNOWN, ClientFeed

BEGAN = datetime(2026, 11, 23, 9, tzinfo=UTC)
CLIENT = "client_1"


def job(number: int, version: int, status_version: int | None = None) -> Job:
    return Job(
        id=f"job_{number:032x}",
        version=version,
        status=Status.IN_PROGRESS,
        status_version=status_version or version,
        progress=Progress(total=100),
        endpoint="/v1/chat/completions",
        provider="simulator",
        created_at=BEGAN,
        updated_at=BEGAN + timedelta(seconds=version),
        client_id=CLIENT,
    )


def feed_that_knows(*known: Job) -> ClientFeed:
    """As the primary has told it, at transaction 100."""
    feed = ClientFeed(CLIENT)
    feed.readers.add(Keeping())
    feed.asked()
    feed.answered(Moves(Horizon(50), [], more=False))
    feed.asked()
    feed.answered(Moves(Horizon(100), [Move(one, 60) for one in known], more=False))
    return feed


class Keeping:
    """A reader for whom everything is kept."""

    reached = 0

    def changed(self, feed: ClientFeed) -> None:
        """It looks when the test does."""


def told(feed: ClientFeed) -> list[tuple[int, int]]:
    return [(int(one.snapshot.job.id[4:], 16), one.snapshot.job.version) for one in feed.after(0) or ()]


@pytest.mark.parametrize(
    ("notice", "is_told", "asks"),
    [
        (job(1, 5), True, False),  # follows on
        (job(1, 7, 5), True, False),  # so does the status that it has
        (job(1, 6, 4), True, False),  # only progress moved
        (job(1, 4), False, False),  # doubled
        (job(1, 3), False, False),  # late
        (job(1, 6), False, True),  # a version between is not known
        (job(2, 1), False, True),  # of a job that is not known
    ],
)
def test_a_notice_is_told_if_it_follows_on_what_was_told_of_its_job(notice: Job, is_told: bool, asks: bool) -> None:  # noqa: FBT001
    feed = feed_that_knows(job(1, 4))

    assert feed.notice(Notice.of(notice)) is asks

    assert ((1, notice.version) in told(feed)[1:]) is is_told
    assert feed.place == Place(Horizon(100), {notice.id: notice.version} if is_told else {})


def test_before_the_primary_has_answered_nothing_is_told() -> None:
    feed = ClientFeed(CLIENT)

    assert feed.notice(Notice.of(job(1, 1))) is True
    assert feed.place is None


def test_between_two_pages_of_an_answer_nothing_is_told() -> None:
    feed = feed_that_knows(job(1, 4))
    feed.asked()
    feed.answered(Moves(Horizon(200), [Move(job(2, 1), 150)], more=True))

    assert feed.notice(Notice.of(job(1, 5))) is True
    feed.asked()
    feed.answered(Moves(Horizon(200), [Move(job(1, 5), 160)], more=False))

    assert told(feed) == [(1, 4), (2, 1), (1, 5)]
    assert feed.place == Place(Horizon(200))


def test_each_event_of_an_answer_says_how_far_it_was_told() -> None:
    feed = feed_that_knows(job(1, 4))
    feed.notice(Notice.of(job(1, 5)))
    moves = [Move(job(1, 5), 150), Move(job(2, 1), 150), Move(job(3, 1), 151)]

    feed.asked()
    feed.answered(Moves(Horizon(200), moves, more=False))

    first, last = [*(feed.after(0) or ())][-2:]
    assert first.place == Place(Horizon(100), {job(1, 5).id: 5}, until=Horizon(200), after=moves[1].position)
    assert last.place == Place(Horizon(200))


def test_what_is_told_by_notice_is_beyond_the_horizon_until_an_answer_that_was_asked_for_later() -> None:
    feed = feed_that_knows(job(1, 4), job(2, 4), job(3, 4))
    feed.notice(Notice.of(job(1, 5)))
    feed.asked()
    feed.notice(Notice.of(job(2, 5)))
    feed.notice(Notice.of(job(3, 5)))

    # The answer saw the one, and was read before the other.
    joint = feed.answered(Moves(Horizon(200), [Move(job(1, 5), 150), Move(job(2, 5), 151)], more=False))

    assert feed.place == Place(Horizon(200), {job(3, 5).id: 5})
    assert joint
    assert [one.snapshot.job.id for one in joint.ahead] == [job(3, 5).id]


def test_a_job_that_was_deleted_is_not_beyond_the_horizon_for_ever() -> None:
    feed = feed_that_knows(job(1, 4))
    feed.notice(Notice.of(job(1, 5)))
    feed.asked()

    feed.answered(Moves(Horizon(200), [], more=False))

    assert feed.place == Place(Horizon(200))


def test_what_is_beyond_the_horizon_is_bounded_and_asked_for_in_time() -> None:
    jobs = [job(number, 1) for number in range(MOST_BEYOND + 1)]
    feed = feed_that_knows(*jobs)

    asks = [feed.notice(Notice.of(replace(one, version=2, status_version=2))) for one in jobs]

    assert asks == [False] * (ASK_FROM - 1) + [True] * (MOST_BEYOND + 1 - ASK_FROM + 1)
    assert feed.place
    assert len(feed.place.beyond) == MOST_BEYOND
    assert len(told(feed)) == len(jobs) + MOST_BEYOND
    assert feed.notice(Notice.of(replace(jobs[0], version=3, status_version=3))) is True  # one of those named
    assert told(feed)[-1] == (0, 3)


def test_of_more_jobs_than_are_known_the_longest_unmoved_is_asked_for() -> None:
    feed = feed_that_knows(*(job(number, 1) for number in range(MOST_KNOWN + 1)))

    assert feed.notice(Notice.of(job(0, 2))) is True
    assert feed.notice(Notice.of(job(1, 2))) is False


def test_only_the_newest_progress_is_kept_for_a_reader_who_is_behind() -> None:
    feed = feed_that_knows(job(1, 4))
    for version in (5, 6, 7):
        feed.notice(Notice.of(job(1, version, 4)))
    feed.notice(Notice.of(job(1, 8)))
    feed.notice(Notice.of(job(1, 9, 8)))

    assert told(feed) == [(1, 4), (1, 8), (1, 9)]
