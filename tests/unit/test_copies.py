"""Which of what the copies of a job tell is answered with."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from in_process.caching import any_job
from in_process.clocks import Clock
from polling_api.cache import Gone, Sighting
from polling_api.domain.job import Job
from polling_api.watch.copies import Copies, Known
from polling_api.watch.loading import NEVER, anybody
from polling_api.watch.source import NoCache
from polling_api.watch.topic import Topic

NOW = 1_000.0
FRESH, OLD = NOW - 1, NOW - 4.5
ID = "job_" + "0" * 32


class Copy(NoCache):
    """Tells one thing, and counts who asks."""

    def __init__(self, told: Sighting | Gone | None) -> None:
        self._told = told
        self.asked = 0

    async def get(self, job_id: str) -> Sighting | Gone | None:
        del job_id
        self.asked += 1
        return self._told


def seen(version: int, at: float) -> Sighting:
    return Sighting(any_job(version, job_id=ID), at)


def nobody(_job: Job) -> bool:
    return False


def copies(cache: Copy, replica: Copy) -> Copies:
    return Copies(cache, replica, 4.0, Clock(NOW))


async def looked(*told: Sighting | Gone | None, known: Sequence[Job] = (), since: float = NEVER) -> Known:
    topic = Topic(ID, NOW)
    for job in known:
        topic.take(job)
    cache, replica = map(Copy, told)
    return (await copies(cache, replica).look([topic], anybody, since))[ID]


async def test_the_nearest_that_will_do_is_answered_with_and_the_next_not_asked() -> None:
    cache, replica = Copy(seen(1, FRESH)), Copy(seen(2, FRESH))

    known = await copies(cache, replica).look([Topic(ID, NOW)], anybody, NEVER)

    assert known[ID].answer == seen(1, FRESH)
    assert (cache.asked, replica.asked) == (1, 0)


@pytest.mark.parametrize(
    ("cached", "of_replica"),
    [
        (None, seen(1, FRESH)),
        (seen(1, OLD), seen(1, FRESH)),
        (seen(1, OLD), seen(2, FRESH)),
    ],
)
async def test_a_replica_answers_for_a_cache_that_cannot(cached: Sighting | None, of_replica: Sighting) -> None:
    assert (await looked(cached, of_replica)).answer == of_replica


@pytest.mark.parametrize(
    ("cached", "of_replica", "kept"),
    [
        (None, None, None),
        (None, seen(1, OLD), seen(1, OLD)),
        (seen(2, OLD), seen(1, FRESH), seen(2, OLD)),
        (seen(1, OLD - 1), seen(1, OLD), seen(1, OLD)),
        (seen(1, OLD), seen(1, OLD - 1), seen(1, OLD)),
        (Gone(ID), seen(1, FRESH), None),
    ],
)
async def test_else_the_primary_is_asked_and_the_newest_kept(
    cached: Sighting | Gone | None, of_replica: Sighting | None, kept: Sighting | None
) -> None:
    assert await looked(cached, of_replica) == Known(kept=kept)


async def test_less_than_is_known_here_is_no_answer_whoever_tells_it() -> None:
    known = any_job(3, job_id=ID)

    assert (await looked(seen(2, FRESH), seen(2, FRESH), known=[known])).answer is None
    assert (await looked(seen(2, FRESH), seen(3, FRESH), known=[known])).answer == seen(3, FRESH)


async def test_another_state_under_the_number_that_is_known_here_is_no_answer() -> None:
    known = any_job(3, job_id=ID)
    anew = replace(known, updated_at=known.updated_at.replace(year=2027))

    assert (await looked(None, Sighting(anew, FRESH), known=[known])).answer is None


async def test_what_was_seen_before_the_moment_asked_for_is_no_answer() -> None:
    assert (await looked(seen(1, FRESH), seen(1, FRESH), since=NOW - 0.5)).answer is None
    assert (await looked(seen(1, FRESH), seen(1, NOW), since=NOW - 0.5)).answer == seen(1, NOW)


async def test_a_job_of_somebody_else_is_looked_for_everywhere() -> None:
    cache, replica = Copy(seen(1, FRESH)), Copy(seen(1, FRESH))

    known = await copies(cache, replica).look([Topic(ID, NOW)], nobody, NEVER)

    assert known[ID].answer is None
    assert (cache.asked, replica.asked) == (1, 1)
