"""What only a real Redis can do to a hub: freeze, restart, and hang up on one connection."""

import asyncio
import time
from collections.abc import Callable

import pytest

from in_process.carriers import REDIS_TIMEOUT, RedisCarrier
from in_process.deadlines import eventually
from in_process.listening import listening
from polling_api.domain.job import Job
from polling_api.hub import Notice
from polling_api.hub.redis import CHANNELS, PING_AFTER, PONG_WITHIN, channel_of

Version = Callable[[int], Job]

SLACK = 5.0  # seconds for a machine that is busy with other tests: without a deadline it would be for good
QUIET = 2.5 * PING_AFTER  # seconds: two pings


async def test_publishing_into_a_frozen_redis_ends_at_its_deadline(
    redis_carrier: RedisCarrier, version: Version
) -> None:
    transport = redis_carrier.transport()
    redis_carrier.freeze()
    began = time.monotonic()

    with pytest.raises(ConnectionError):
        await transport.publish([Notice.of(version(1))])

    assert time.monotonic() - began < 2 * REDIS_TIMEOUT + SLACK
    redis_carrier.thaw()
    await transport.close()


async def test_a_frozen_redis_is_found_by_a_ping_and_heard_again_when_it_goes_on(
    redis_carrier: RedisCarrier, version: Version
) -> None:
    async with listening(redis_carrier) as (hub, recorder):
        redis_carrier.freeze()
        found_after = await eventually(lambda: not hub.listening)
        redis_carrier.thaw()

        assert found_after < PING_AFTER + PONG_WITHIN + SLACK
        assert await recorder.next() == "gap"
        assert hub.listening
        await hub.publish([version(2)])
        assert (await recorder.notice_told()).version == 2


async def test_a_silent_redis_that_answers_pings_is_not_given_up(redis_carrier: RedisCarrier) -> None:
    async with listening(redis_carrier) as (hub, recorder):
        with pytest.raises(TimeoutError):  # nothing is told, a gap neither
            await recorder.next(within=QUIET)
        assert hub.listening


async def test_a_connection_that_redis_closes_is_a_gap(redis_carrier: RedisCarrier) -> None:
    async with listening(redis_carrier) as (_, recorder), redis_carrier.client() as redis:
        await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

        assert await recorder.next() == "gap"


async def test_a_process_listens_on_all_channels_over_one_connection(redis_carrier: RedisCarrier) -> None:
    async with listening(redis_carrier), redis_carrier.client() as redis:
        listeners = await redis.execute_command("CLIENT", "LIST", "TYPE", "pubsub")
        channels = await redis.pubsub_channels()

    assert len(listeners.splitlines()) == 1
    assert sorted(channel.decode() for channel in channels) == sorted(CHANNELS)


async def test_the_versions_of_a_job_share_a_channel_and_jobs_are_spread(version: Version) -> None:
    ids = [f"job_{number:032x}" for number in range(1_000)]

    assert channel_of(version(1).id) == channel_of(version(2).id)
    assert {channel_of(job_id) for job_id in ids} == set(CHANNELS)


async def test_a_hub_started_before_its_redis_hears_as_soon_as_there_is_one(
    redis_carrier: RedisCarrier, version: Version
) -> None:
    await redis_carrier.go_down()

    async with asyncio.timeout(20):
        starting = asyncio.create_task(_first_notice(redis_carrier, version(1)))
        await redis_carrier.come_back()

        assert await starting == 1


async def _first_notice(carrier: RedisCarrier, job: Job) -> int:
    async with listening(carrier) as (hub, recorder):
        await hub.publish([job])
        return (await recorder.notice_told()).version
