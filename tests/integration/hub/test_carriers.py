"""What every carrier of notices promises: Redis, and its twin in the process."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from in_process.caching import any_job
from in_process.carriers import Carrier
from in_process.deadlines import eventually
from in_process.listening import Recorder, listening, running
from polling_api import metrics
from polling_api.domain.job import Job
from polling_api.hub import Hub, LocalBus, LocalTransport, Notice
from polling_api.hub.hub import MOST_WAITING
from polling_api.resilience.together import Ended

Version = Callable[[int], Job]


def published(outcome: str) -> float:
    """How many notices of this process had this fate."""
    return metrics.REGISTRY.get_sample_value("polling_published_total", {"outcome": outcome}) or 0.0


async def test_a_notice_reaches_every_listener_in_order(carrier: Carrier, version: Version) -> None:
    versions = [version(number) for number in range(1, 1_201)]  # more than go into one pipeline

    async with listening(carrier) as (hub, nearby), listening(carrier) as (_, elsewhere):
        await hub.publish(versions[:700])
        await hub.publish(versions[700:])

        expected = [(one.id, one.version) for one in versions]
        assert await nearby.versions_told(1_200) == expected
        assert await elsewhere.versions_told(1_200) == expected


async def test_a_notice_tells_the_whole_version(carrier: Carrier, version: Version) -> None:
    async with listening(carrier) as (hub, recorder):
        await hub.publish([version(7)])

        assert (await recorder.notice_told()).job() == version(7)


async def test_a_notice_tells_that_a_job_is_gone(carrier: Carrier, version: Version) -> None:
    gone = version(7).id
    async with listening(carrier) as (hub, recorder):
        await hub.publish_gone([gone])

        notice = await recorder.notice_told()
        assert (notice.job_id, notice.tells_deletion) == (gone, True)
        with pytest.raises(ValueError, match="empty"):
            notice.job()


async def test_a_listener_who_joins_is_told_of_a_gap_as_soon_as_it_hears(carrier: Carrier) -> None:
    hub, recorder = Hub(carrier.transport()), Recorder()
    hub.join(recorder)
    assert not hub.listening

    async with running(hub):
        assert await recorder.next() == "gap"
        assert hub.listening


async def test_a_listener_is_told_of_a_gap_when_the_carrier_comes_back(carrier: Carrier, version: Version) -> None:
    async with listening(carrier) as (hub, recorder):
        await carrier.go_down()
        await eventually(lambda: not hub.listening)
        await carrier.come_back()

        assert await recorder.next() == "gap"
        assert hub.listening
        await hub.publish([version(1)])
        assert (await recorder.notice_told()).version == 1


async def test_what_is_published_while_the_carrier_is_away_is_lost_and_counted(
    carrier: Carrier, version: Version
) -> None:
    async with listening(carrier) as (hub, recorder):
        failed = published("failed")
        await carrier.go_down()

        await hub.publish([version(1)])
        await hub.flushed()
        await carrier.come_back()

        assert published("failed") == failed + 1
        assert await recorder.next() == "gap"
        await hub.publish([version(2)])
        assert (await recorder.notice_told()).version == 2


async def test_publishing_never_waits_whether_the_carrier_is_there_or_not(carrier: Carrier, version: Version) -> None:
    hub = Hub(carrier.transport())
    await carrier.go_down()

    with pytest.raises(StopIteration):  # at its first step: it did not suspend
        hub.publish([version(1)]).send(None)
    await hub.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\0",
        b"one",
        b"two words",
        b"job_1 x - {}",
        b"\xff\xfe 1 - {}",
        b"job_1 " + b"9" * 5_000 + b" - {}",
        b'job_1 1 {"metadata":{"of":"a release before"}}',
    ],
    ids=["nothing", "NUL", "one word", "two words", "no number", "no UTF-8", "too long a number", "no client"],
)
async def test_what_is_no_notice_is_ignored(carrier: Carrier, version: Version, garbage: bytes) -> None:
    async with listening(carrier) as (hub, recorder):
        await carrier.say(garbage)
        await hub.publish([version(1)])

        assert (await recorder.notice_told()).version == 1


async def test_too_many_waiting_notices_drop_the_oldest_and_are_counted(carrier: Carrier, version: Version) -> None:
    dropped = published("dropped")
    speaker = Hub(carrier.transport())

    await speaker.publish([version(number) for number in range(1, MOST_WAITING + 1)])
    await speaker.publish([version(number) for number in range(MOST_WAITING + 1, MOST_WAITING + 4)])

    assert published("dropped") == dropped + 3
    async with listening(carrier) as (_, recorder), running(speaker):
        assert (await recorder.notice_told()).version == 4
        await speaker.flushed()


class CancelledTransport(LocalTransport):
    """A carrier of which the sending, and nothing else, is cancelled by something within it."""

    async def publish(self, notices: Sequence[Notice]) -> None:
        del notices
        waited_for = asyncio.get_running_loop().create_future()
        waited_for.cancel()
        await waited_for


async def test_a_hub_does_not_go_on_listening_when_it_publishes_no_more() -> None:
    hub = Hub(CancelledTransport(LocalBus()))
    running = asyncio.create_task(hub.run())

    await hub.publish([any_job()])

    async with asyncio.timeout(5):
        with pytest.raises(Ended):
            await running
