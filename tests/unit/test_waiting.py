"""Waits that are answered, and what they took."""

from starlette.types import Message

from in_process.caching import any_job
from polling_api.api.answers import Answer
from polling_api.api.held import Holding
from polling_api.api.held_list import HeldList
from polling_api.api.waiting import HeldAnswer
from polling_api.ratelimit import Figures, Held, nobody
from polling_api.watch import Topic

SOMEBODY = nobody("192.0.2.1", Figures(held_ip=1))


async def nowhere(message: Message) -> None:
    """A socket that takes everything."""


async def test_who_was_answered_may_wait_again_before_its_request_has_ended() -> None:
    job = any_job()
    holding, topic = Holding(Held(10, lambda: 0.0)), Topic(job.id, 0.0)
    topic.take(job)
    held = HeldAnswer({}, nowhere, reached=lambda job: job.version > 1, answer=lambda _: Answer(200, []))
    topic.followers.add(held)

    with holding.holds(held, "wait", SOMEBODY) as hold:
        held.begin(topic, 30, hold)
        waits = holding.waits
        topic.take(any_job(2, job_id=job.id))
        answered = holding.waits
        with holding.holds(held, "wait", SOMEBODY):  # more than one at once it may not
            again = holding.waits
    held.end()

    assert (waits, answered, again, holding.waits) == (1, 0, 1, 0)


async def test_who_was_answered_for_many_jobs_may_wait_again_before_its_request_has_ended() -> None:
    holding = Holding(Held(10, lambda: 0.0))
    held = HeldList({}, nowhere, is_news=lambda _: True, answer=lambda _: Answer(200, []))

    with holding.holds(held, "wait", SOMEBODY) as hold:
        held.begin(30, hold)
        waits = holding.waits
        held.drain()
        answered = holding.waits
    held.end()

    assert (waits, answered, holding.waits) == (1, 0, 0)
