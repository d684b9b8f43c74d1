"""What is due is sent, signed, and what came of it written down."""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks import Webhook
from tests.integration.webhooks.conftest import BOUNDS

from in_process.asked_of_postgres import count_statements, statements_asked
from in_process.deadlines import comes_true
from in_process.hook_receiver import FAILED, OK, HookReceiver, Told, hook_receiver, never, well
from in_process.hooked import EVERY_STATUS, TERMINAL, ended_jobs, move, new_endpoint, new_job, new_owner, told
from in_process.waking import CancelledWake
from polling_api.domain.job import Job, Status
from polling_api.domain.webhook import DeliveryStatus, EndpointStatus, Lane
from polling_api.metrics import REGISTRY
from polling_api.representation import job_document
from polling_api.resilience.together import Ended
from polling_api.signing.vault import new_secret
from polling_api.store import webhook_deliveries, webhook_endpoints
from polling_api.store.engine import transaction
from polling_api.store.webhook_deliveries import Asked, DeliveryRow
from polling_api.store.webhook_endpoints import Changed
from polling_api.store.webhook_leases import Claimed
from polling_api.webhooks.census import Census
from polling_api.webhooks.dispatcher import MOST_CREDIT, MOST_SPACING, Dispatcher
from polling_api.webhooks.outbound import destination_of
from polling_api.webhooks.schedule import Answer
from polling_api.webhooks.standard import secret_of
from polling_api.webhooks.turns import Turns
from running.keyholders import ENTRY, VAULT

Dispatching = Any


@pytest.fixture
async def owner(engine: AsyncEngine) -> str:
    return await new_owner(engine)


async def deliveries(engine: AsyncEngine, status: DeliveryStatus) -> list[DeliveryRow]:
    return await webhook_deliveries.page(engine, Asked(client_id=None, status=status), after=None, limit=1000)


async def settled(engine: AsyncEngine, status: DeliveryStatus, count: int = 1) -> list[DeliveryRow]:
    """Wait until so many deliveries have a status: they are marked after the receiver has been told."""
    async with asyncio.timeout(20):
        while len(found := await deliveries(engine, status)) < count:  # noqa: ASYNC110 - outside
            await asyncio.sleep(0.02)  # the database sets no event of ours
    return found


async def first_pending(engine: AsyncEngine) -> DeliveryRow:
    return (await deliveries(engine, DeliveryStatus.PENDING))[0]


async def attempted(engine: AsyncEngine) -> bool:
    return bool((await first_pending(engine)).attempts)


async def kept_secret(engine: AsyncEngine, endpoint_id: str) -> bytes:
    async with transaction(engine) as connection:
        query = text("SELECT secret FROM webhook_endpoints WHERE id = :id")
        return VAULT.open(endpoint_id, await connection.scalar(query, {"id": endpoint_id}))


def answering(*answers: bytes) -> Any:
    """Give one answer after the other, the last one for ever."""
    left = list(answers)

    async def answer(_told: Told) -> bytes:
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


async def test_a_receiver_is_told_the_end_signed_as_any_verifier_takes_it(
    engine: AsyncEngine, owner: str, dispatching: Dispatching
) -> None:
    async with hook_receiver() as receiver:
        endpoint = await new_endpoint(engine, owner, url=receiver.url("/in?a=b"))
        [job] = await ended_jobs(engine, owner, 1)
        async with dispatching():
            await receiver.until_told(1)
            [delivery] = await settled(engine, DeliveryStatus.DELIVERED)

    [message] = receiver.told
    Webhook(secret_of(await kept_secret(engine, endpoint.id))).verify(message.body, message.headers)
    assert message.path == "/in?a=b"
    assert message.headers["content-type"] == "application/json"
    assert message.document == {
        "type": "job.succeeded",
        "timestamp": job_document(job, "")["updated_at"],
        "data": job_document(job, "/api/v1/batch-status"),
    }
    assert (delivery.id, delivery.next_attempt_at) == (message.id, None)
    assert [(attempt.status_code, attempt.error) for attempt in delivery.attempts] == [(204, None)]


async def test_both_secrets_sign_while_one_takes_the_other_s_place(
    engine: AsyncEngine, owner: str, dispatching: Dispatching
) -> None:
    secrets = [new_secret() for _ in range(2)]
    async with hook_receiver() as receiver:
        endpoint = await new_endpoint(engine, owner, url=receiver.url())
        secrets.append(await kept_secret(engine, endpoint.id))
        for secret, overlap in ((secrets[0], 0), (secrets[1], 60)):
            sealed = VAULT.seal(endpoint.id, secret)
            await webhook_endpoints.rotate(engine, owner, endpoint.id, sealed, overlap=overlap, entry=ENTRY)
        await ended_jobs(engine, owner, 1)
        async with dispatching():
            await receiver.until_told(1)

    [message] = receiver.told
    for secret in secrets[:2]:
        Webhook(secret_of(secret)).verify(message.body, message.headers)
    assert len(message.headers["webhook-signature"].split(" ")) == 2


async def test_a_failed_attempt_is_followed_by_another_under_the_same_id(
    engine: AsyncEngine, owner: str, dispatching: Dispatching
) -> None:
    async with hook_receiver(answering(FAILED, OK)) as receiver:
        await new_endpoint(engine, owner, url=receiver.url())
        await ended_jobs(engine, owner, 1)
        async with dispatching():
            [delivery] = await settled(engine, DeliveryStatus.DELIVERED)

    assert receiver.ids == [delivery.id] * 2
    assert receiver.told[0].body == receiver.told[1].body
    assert [(one.status_code, one.error, one.body) for one in delivery.attempts] == [
        (500, "500 Internal Server Error", "oops"),
        (204, None, ""),
    ]


async def test_a_redirect_is_a_failure_and_not_followed_and_after_the_last_failure_a_delivery_is_dead(
    engine: AsyncEngine, owner: str, dispatching: Dispatching
) -> None:
    async with hook_receiver() as elsewhere:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {elsewhere.url()}\r\nContent-Length: 0\r\n\r\n".encode()
        async with hook_receiver(answering(moved)) as receiver:
            await new_endpoint(engine, owner, url=receiver.url())
            await ended_jobs(engine, owner, 1)
            async with dispatching():
                [delivery] = await settled(engine, DeliveryStatus.DEAD)

    assert [one.status_code for one in delivery.attempts] == [307] * 4
    assert elsewhere.told == []


async def test_of_an_answer_the_first_kilobyte_is_kept_however_long_it_is(
    engine: AsyncEngine, owner: str, dispatching: Dispatching
) -> None:
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"800\r\n" + b"x" * 2048 + b"\r\n"
    async with hook_receiver(answering(endless)) as receiver:
        await new_endpoint(engine, owner, url=receiver.url())
        await ended_jobs(engine, owner, 1)
        async with dispatching():
            [delivery] = await settled(engine, DeliveryStatus.DELIVERED)

    assert [one.body for one in delivery.attempts] == ["x" * 1024]


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nslow"])
async def test_who_does_not_answer_in_time_has_failed(
    engine: AsyncEngine, owner: str, dispatching: Dispatching, answer: bytes
) -> None:
    async with hook_receiver(answering(answer)) as receiver:
        await new_endpoint(engine, owner, url=receiver.url())
        await ended_jobs(engine, owner, 1)
        async with dispatching(within=0.3, schedule=(0.0,)):
            [delivery] = await settled(engine, DeliveryStatus.DEAD)

    assert [(one.status_code, one.error) for one in delivery.attempts] == [(None, "no answer within 0.3 s")] * 2
    assert all(200 < one.duration_ms < 10_000 for one in delivery.attempts)


async def test_a_receiver_s_retry_after_is_kept_to(engine: AsyncEngine, owner: str, dispatching: Dispatching) -> None:
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 600\r\nContent-Length: 0\r\n\r\n"
    async with hook_receiver(answering(busy)) as receiver:
        await new_endpoint(engine, owner, url=receiver.url())
        await ended_jobs(engine, owner, 1)
        async with dispatching():
            await receiver.until_told(1)
            await comes_true(lambda: attempted(engine))
        found = await first_pending(engine)  # a page is read in two statements, and the attempt may come between them

    assert found.next_attempt_at is not None
    assert found.next_attempt_at - datetime.now(UTC) > timedelta(seconds=500)


async def test_who_says_that_it_is_gone_is_told_nothing_any_more(
    engine: AsyncEngine, owner: str, dispatching: Dispatching
) -> None:
    gone = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"
    async with hook_receiver(answering(gone)) as receiver:
        endpoint = await new_endpoint(engine, owner, url=receiver.url())
        await ended_jobs(engine, owner, 1)
        async with dispatching():
            await settled(engine, DeliveryStatus.DEAD)
            await ended_jobs(engine, owner, 1)

    assert len(receiver.told) == 1
    assert (await webhook_endpoints.find(engine, owner, endpoint.id)).status is EndpointStatus.DISABLED


async def test_what_waits_for_a_deleted_endpoint_is_given_up_unsent(
    engine: AsyncEngine, owner: str, dispatching: Dispatching
) -> None:
    async with hook_receiver() as receiver:
        endpoint = await new_endpoint(engine, owner, url=receiver.url())
        await ended_jobs(engine, owner, 3)
        await webhook_endpoints.remove(engine, owner, endpoint.id, entry=ENTRY)
        async with dispatching():
            given_up = await settled(engine, DeliveryStatus.DEAD, 3)

    assert receiver.told == []
    assert {one.attempts[0].error for one in given_up} == {"not sent: the endpoint is disabled or deleted"}


async def test_a_private_address_is_not_asked_unless_that_is_allowed(
    engine: AsyncEngine, owner: str, dispatching: Dispatching
) -> None:
    async with hook_receiver() as receiver:
        await new_endpoint(engine, owner, url=receiver.url())
        await ended_jobs(engine, owner, 1)
        async with dispatching(private=False):
            [delivery] = await settled(engine, DeliveryStatus.DEAD)

    assert receiver.told == []
    assert all(attempt.error for attempt in delivery.attempts)


async def test_a_newer_version_never_comes_before_an_older_one_that_is_on_its_way(
    engine: AsyncEngine, owner: str, dispatching: Dispatching
) -> None:
    answer_now = asyncio.Event()

    async def hold_the_first(message: Told) -> bytes:
        if message.job_id == job.id and message.version == 2:
            await answer_now.wait()
        return OK

    async with hook_receiver(hold_the_first) as receiver:
        await new_endpoint(engine, owner, url=receiver.url(), events=EVERY_STATUS)
        job = await new_job(engine, owner)
        [running] = await move(engine, [job], Status.IN_PROGRESS)
        async with dispatching(), dispatching():
            await receiver.until(lambda: 2 in versions(receiver, job))
            [finalizing] = await move(engine, [running], Status.FINALIZING)
            await move(engine, [finalizing], Status.SUCCEEDED)
            for _ in range(3):  # what is told of others shows that the dispatchers have had turns meanwhile
                [other] = await ended_jobs(engine, owner, 1)
                await receiver.until(lambda other=other: versions(receiver, other) != [])
            before = versions(receiver, job)
            answer_now.set()
            await receiver.until(lambda: 4 in versions(receiver, job))

    assert before[-1] == 2
    assert versions(receiver, job) == [*before, 4]


def versions(receiver: HookReceiver, job: Job) -> list[int]:
    return [one.version for one in receiver.told if one.job_id == job.id]


async def test_dispatchers_side_by_side_tell_each_delivery_once(
    engine: AsyncEngine, owner: str, dispatching: Dispatching
) -> None:
    async with hook_receiver() as receiver:
        await new_endpoint(engine, owner, url=receiver.url())
        await ended_jobs(engine, owner, 60)
        async with dispatching(), dispatching(), dispatching():
            await settled(engine, DeliveryStatus.DELIVERED, 60)

    assert len(receiver.told) == len(set(receiver.ids)) == 60


async def test_one_of_ten_receivers_that_hangs_slows_none_of_the_others(
    engine: AsyncEngine, owner: str, dispatching: Dispatching
) -> None:
    each = 12
    async with AsyncExitStack() as stack, hook_receiver(never) as hanging:
        receivers = [await stack.enter_async_context(hook_receiver(well)) for _ in range(9)]
        for receiver in (hanging, *receivers):
            await new_endpoint(engine, owner, url=receiver.url())
        await ended_jobs(engine, owner, each)
        async with dispatching(within=60):
            await settled(engine, DeliveryStatus.DELIVERED, 9 * each)
            meanwhile = hanging.under_way

    # All of the others have all of theirs while what hangs still hangs with the first two that it was given.
    assert [len(set(receiver.ids)) for receiver in receivers] == [each] * 9
    assert (meanwhile, hanging.most_under_way, hanging.answered) == (2, 2, 0)


async def test_an_owner_whose_receiver_hangs_takes_no_turn_of_another_that_uses_the_same_host(
    engine: AsyncEngine, owner: str, dispatching: Dispatching
) -> None:
    other = await new_owner(engine)

    async def hang_for_one(message: Told) -> bytes:
        return await never(message) if message.path == "/hangs" else OK

    async with hook_receiver(hang_for_one) as receiver:
        await new_endpoint(engine, owner, url=receiver.url("/hangs"))
        await new_endpoint(engine, other, url=receiver.url("/well"))
        await ended_jobs(engine, owner, 20)
        await ended_jobs(engine, other, 20)
        async with dispatching(within=60):
            await settled(engine, DeliveryStatus.DELIVERED, 20)
            meanwhile = receiver.under_way

    assert [one.path for one in receiver.told].count("/well") == 20
    assert meanwhile == 2


async def test_endpoints_that_all_go_to_one_place_now_take_no_more_turns_there_than_one_that_always_did(
    engine: AsyncEngine, owner: str, dispatching: Dispatching
) -> None:
    """Deliveries wait where their endpoint went when they were made; they count where they are sent."""
    async with hook_receiver(never) as receiver:
        endpoints = [await new_endpoint(engine, owner, url=f"http://127.0.0.1:{port}/") for port in range(1, 6)]
        await ended_jobs(engine, owner, 4)
        lane = str(Lane(owner, destination_of(receiver.url()).authority))
        for endpoint in endpoints:
            changed = Changed(url=receiver.url(), lane=lane)
            await webhook_endpoints.change(engine, owner, endpoint.id, changed, entry=ENTRY)
        async with dispatching(within=60):
            await receiver.until_told(2)
            await comes_true(lambda: all_wait_in(engine, lane))
            meanwhile = receiver.under_way

    assert (meanwhile, receiver.most_under_way) == (2, 2)


async def all_wait_in(engine: AsyncEngine, lane: str) -> bool:
    async with transaction(engine) as connection:
        query = text("SELECT bool_and(lane = :lane) FROM webhook_deliveries")
        return bool(await connection.scalar(query, {"lane": lane}))


async def test_a_dispatcher_that_is_asked_to_end_gives_back_what_is_on_its_way(
    engine: AsyncEngine, owner: str, dispatching: Dispatching
) -> None:
    async with hook_receiver(never) as receiver:
        await new_endpoint(engine, owner, url=receiver.url())
        await ended_jobs(engine, owner, 1)
        async with dispatching(within=60):
            await receiver.until_told(1)

    async with hook_receiver() as again:
        async with transaction(engine) as connection:
            await connection.execute(text("UPDATE webhook_endpoints SET url = :url"), {"url": again.url()})
        async with dispatching():
            [delivery] = await settled(engine, DeliveryStatus.DELIVERED)

    assert again.ids == receiver.ids == [delivery.id]


@pytest.mark.parametrize("point", ["claimed", "sending"])
async def test_a_dispatcher_that_was_stopped_for_longer_than_its_lease_sends_nothing_when_it_goes_on(
    engine: AsyncEngine, owner: str, dispatching: Dispatching, point: str
) -> None:
    """Since another may have sent the delivery meanwhile, and a newer version after it."""
    stopped, go_on = asyncio.Event(), asyncio.Event()

    async def stop(passed: str) -> None:
        if passed == point:
            stopped.set()
            await go_on.wait()

    async with hook_receiver() as receiver:
        await new_endpoint(engine, owner, url=receiver.url())
        await ended_jobs(engine, owner, 1)
        async with dispatching(within=0.2, lease=0.5, at=stop, schedule=(600.0,)):
            await stopped.wait()
            async with dispatching():
                await settled(engine, DeliveryStatus.DELIVERED)
            go_on.set()

    assert len(receiver.told) == 1


async def test_it_is_woken_before_its_own_clock_says_so(
    engine: AsyncEngine, owner: str, dispatching: Dispatching
) -> None:
    wake = asyncio.Event()
    async with hook_receiver() as receiver:
        await new_endpoint(engine, owner, url=receiver.url())
        async with dispatching(longest_rest=600, wake=wake):
            await ended_jobs(engine, owner, 1)
            wake.set()
            await receiver.until_told(1)


class Ringing(asyncio.Event):
    """An alarm that never stops."""

    def clear(self) -> None:
        """Ring on."""


async def test_being_woken_for_nothing_all_the_time_does_not_keep_postgres_busy(
    engine: AsyncEngine, dispatching: Dispatching
) -> None:
    await count_statements(engine)
    wake = Ringing()
    wake.set()
    async with dispatching(wake=wake):
        await asyncio.sleep(0.5)  # it is what does not happen that shows
        before, began = await statements_asked(engine), time.monotonic()
        await asyncio.sleep(0.5)
        asked, took = await statements_asked(engine) - before, time.monotonic() - began

    assert 0 < asked <= MOST_CREDIT + took / MOST_SPACING + 2


async def test_what_is_due_and_which_endpoints_are_not_well_is_in_the_metrics(engine: AsyncEngine, owner: str) -> None:
    for change in (
        "status = 'disabled', disabled_because = 'gone'",
        "failing_since = now() - interval '2 hours'",
        None,
    ):
        endpoint = await new_endpoint(engine, owner)
        if change is not None:
            async with transaction(engine) as connection:
                await connection.execute(
                    text(f"UPDATE webhook_endpoints SET {change} WHERE id = :id"),  # noqa: S608 - from the line above
                    {"id": endpoint.id},
                )
    await ended_jobs(engine, owner, 3)

    await Census(engine).turn()

    figures = {
        "due": REGISTRY.get_sample_value("polling_webhooks_due"),
        "disabled": REGISTRY.get_sample_value("polling_webhook_endpoints", {"state": "disabled"}),
        "failing": REGISTRY.get_sample_value("polling_webhook_endpoints", {"state": "failing"}),
    }
    assert figures == {"due": 6, "disabled": 1, "failing": 1}


async def test_a_job_s_own_webhook_is_told_and_a_public_job_s_links_lead_to_the_simple_set(
    engine: AsyncEngine, dispatching: Dispatching
) -> None:
    async with hook_receiver() as receiver:
        job = await new_job(engine, None, own=TERMINAL, url=receiver.url())
        await move(engine, [job], Status.SUCCEEDED)
        async with dispatching():
            await receiver.until_told(1)
            await settled(engine, DeliveryStatus.DELIVERED)

    [message] = receiver.told
    assert message.document["data"]["links"]["self"] == f"/api/v1/jobs/{job.id}"
    assert await told(engine) == [(2, "job.succeeded", "delivered")]


async def test_a_dispatcher_that_claims_no_more_ends_and_says_so(engine: AsyncEngine) -> None:
    """Or it would look alive for ever, and nobody would start it again."""

    async def nobody(claimed: Claimed, _by: float) -> Answer:
        raise AssertionError(f"{claimed} is not due")

    turns = Turns(BOUNDS, time.monotonic)
    dispatcher = Dispatcher(
        engine, nobody, turns, owner="broken", within=1, schedule=(), wake=CancelledWake(), longest_rest=60
    )

    async with asyncio.timeout(20):
        with pytest.raises(Ended):
            await dispatcher.run()

    async with asyncio.timeout(5):
        await dispatcher.stop()
