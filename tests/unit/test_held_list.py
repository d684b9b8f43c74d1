"""When a long poll for many jobs is answered: soon after the first news, with what came until then, and once."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from in_process.sockets import Socket
from polling_api.api.answers import Answer
from polling_api.api.held_list import GATHERED_FOR, HeldList
from polling_api.watch import Topic

LONG = 4 * GATHERED_FOR  # seconds
A_HAIR = 0.005  # seconds by which a timer may end early


class Call:
    """A call whose answer says which jobs changed before it was given."""

    def __init__(self) -> None:
        self.socket = Socket()
        self.held = HeldList({}, self.socket.send, is_news=self._is_news, answer=self._answer)
        self._changed: list[str] = []

    def change(self, name: str) -> None:
        topic = Topic(name, now=0.0)
        self._changed.append(name)
        self.held.changed(topic)

    async def told(self) -> list[str]:
        async with asyncio.timeout(10):
            await self.socket.ended.wait()
        return self.socket.body.decode().split(",")

    def _is_news(self, topic: Topic) -> bool:
        return topic.job_id != "progress"

    def _answer(self, waited: int) -> Answer:
        return Answer(200, [], ",".join([f"waited {waited}", *self._changed]).encode())


@pytest.fixture
async def call() -> AsyncIterator[Call]:
    made = Call()
    yield made
    made.held.end()


async def test_two_changes_close_together_are_in_one_answer(call: Call) -> None:
    call.held.begin(30)
    call.change("one")
    asyncio.get_running_loop().call_later(GATHERED_FOR / 5, call.change, "other")

    assert await call.told() == ["waited 0", "one", "other"]
    assert call.socket.writes == 2  # a head and a body


async def test_a_change_after_the_answer_writes_nothing_more(call: Call) -> None:
    call.held.begin(30)
    call.change("one")
    await call.told()
    call.change("other")
    call.held.drain()

    assert await call.told() == ["waited 0", "one"]


async def test_what_is_no_news_does_not_end_the_wait(call: Call) -> None:
    began = asyncio.get_running_loop().time()
    call.held.begin(LONG)
    call.change("progress")

    assert await call.told() == ["waited 0", "progress"]
    assert asyncio.get_running_loop().time() - began >= LONG - A_HAIR


async def test_it_is_told_of_nothing_before_it_begins(call: Call) -> None:
    call.change("one")
    began = asyncio.get_running_loop().time()
    call.held.begin(LONG)

    await call.told()
    assert asyncio.get_running_loop().time() - began >= LONG - A_HAIR


async def test_a_drain_answers_at_once(call: Call) -> None:
    call.held.begin(30)
    call.held.drain()

    assert call.socket.ended.is_set()


async def test_nothing_is_written_after_its_end(call: Call) -> None:
    later = Call()
    call.held.begin(0.01)
    call.change("one")
    call.held.end()
    later.held.begin(LONG)  # its answer comes after both moments at which the other's would

    await later.told()
    assert call.socket.writes == 0


async def test_a_version_that_is_lost_is_answered_with_at_once(call: Call) -> None:
    """What the caller has seen of it is not so; before the wait begins that is looked at anyway."""
    call.held.set_back(Topic("one", now=0.0))
    call.held.begin(30)
    assert not call.socket.ended.is_set()

    call.held.set_back(Topic("one", now=0.0))

    assert await call.told() == ["waited 0"]
