"""What came of attempts: deliveries, their attempts, and what is known of endpoints; and what is sent again."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.hooked import (
    EVERY_STATUS,
    TERMINAL,
    claim_all,
    ended_jobs,
    mark,
    move,
    new_endpoint,
    new_job,
    new_owner,
    told,
)
from polling_api.domain.job import Status
from polling_api.domain.webhook import DeliveryStatus, DisabledBecause, EndpointStatus
from polling_api.errors import Conflict, NotFound
from polling_api.store import resealing, retention, webhook_deliveries, webhook_endpoints, webhook_replays
from polling_api.store.webhook_deliveries import Asked
from polling_api.store.webhook_endpoints import Changed, EndpointRow
from polling_api.store.webhook_leases import Claimed
from polling_api.store.webhook_outcomes import ATTEMPTS_KEPT, Fate, Result, Sent
from polling_api.store.webhook_outcomes import mark as mark_many
from running.keyholders import ENTRY, VAULT

pytestmark = pytest.mark.usefixtures("empty")

REFUSED = Sent(datetime(2026, 11, 26, tzinfo=UTC), 500, 12, "500 Internal Server Error", "n\0o")
GONE = Sent(datetime(2026, 11, 26, tzinfo=UTC), 410, 12, "410 Gone", "")


@pytest.fixture
async def owner(engine: AsyncEngine) -> str:
    return await new_owner(engine)


@pytest.fixture
async def endpoint(engine: AsyncEngine, owner: str) -> EndpointRow:
    return await new_endpoint(engine, owner)


@pytest.fixture
async def claimed(engine: AsyncEngine, owner: str, endpoint: EndpointRow) -> Claimed:
    """The end of a job, claimed by the dispatcher `d`."""
    assert endpoint.client_id == owner
    await ended_jobs(engine, owner, 1)
    [one] = await claim_all(engine)
    return one


async def test_what_is_claimed_is_claimed_once(engine: AsyncEngine, owner: str, endpoint: EndpointRow) -> None:
    assert endpoint.client_id == owner
    await ended_jobs(engine, owner, 20)

    claims = await asyncio.gather(*(claim_all(engine, f"d{number}", most=8) for number in range(4)))

    ids = [one.id for some in claims for one in some]
    assert len(ids) == len(set(ids)) <= 20


async def test_a_failed_attempt_is_kept_and_the_delivery_due_again_later(engine: AsyncEngine, claimed: Claimed) -> None:
    await mark(engine, claimed, Fate.RETRIED, wait=300, attempt=REFUSED, sent=True)

    found = await webhook_deliveries.find(engine, claimed.client_id, claimed.id)
    assert found.status is DeliveryStatus.PENDING
    assert found.next_attempt_at is not None
    [attempt] = found.attempts
    assert (attempt.status_code, attempt.error, attempt.body) == (500, "500 Internal Server Error", "n\ufffdo")
    assert await claim_all(engine) == []


async def test_the_last_twenty_attempts_are_kept(engine: AsyncEngine, claimed: Claimed) -> None:
    for number in range(ATTEMPTS_KEPT + 3):
        await mark(engine, claimed, Fate.RETRIED, attempt=REFUSED._replace(status_code=500 + number), sent=True)
        await claim_all(engine)

    found = await webhook_deliveries.find(engine, None, claimed.id)
    assert [one.status_code for one in found.attempts] == list(range(503, 523))


async def test_who_lost_the_lease_writes_nothing(engine: AsyncEngine, claimed: Claimed) -> None:
    assert await mark(engine, claimed, Fate.DELIVERED, owner="another") == []

    assert (await webhook_deliveries.find(engine, None, claimed.id)).status is DeliveryStatus.PENDING


async def test_what_is_given_back_unsent_is_due_at_once_and_counts_as_no_attempt(
    engine: AsyncEngine, claimed: Claimed
) -> None:
    await mark(engine, claimed, Fate.RETRIED)

    [again] = await claim_all(engine, "another")
    assert (again.id, again.tries) == (claimed.id, 0)


async def test_410_disables_the_endpoint_and_what_waits_for_it_is_claimed_to_go_nowhere(
    engine: AsyncEngine, owner: str, claimed: Claimed, endpoint: EndpointRow
) -> None:
    await ended_jobs(engine, owner, 1)

    await mark(engine, claimed, Fate.DEAD, attempt=GONE, sent=True, gone=True)

    found = await webhook_endpoints.find(engine, owner, endpoint.id)
    assert (found.status, found.disabled_because) == (EndpointStatus.DISABLED, DisabledBecause.GONE)
    assert [one.url for one in await claim_all(engine)] == [None]
    await ended_jobs(engine, owner, 1)
    assert len(await told(engine)) == 2


async def test_410_ends_a_job_s_own_webhook_alone(engine: AsyncEngine, owner: str) -> None:
    job = await new_job(engine, owner, own=EVERY_STATUS)
    await new_endpoint(engine, owner)
    [one] = await claim_all(engine)

    await mark(engine, one, Fate.DEAD, attempt=GONE, sent=True, gone=True)
    await move(engine, [job], Status.SUCCEEDED)

    assert await told(engine) == [(1, "job.queued", "dead"), (2, "job.succeeded", "pending")]


async def test_since_when_an_endpoint_fails_is_told_until_it_succeeds(
    engine: AsyncEngine, owner: str, claimed: Claimed, endpoint: EndpointRow
) -> None:
    await mark(engine, claimed, Fate.RETRIED, attempt=REFUSED, sent=True)
    failing = (await webhook_endpoints.find(engine, owner, endpoint.id)).failing_since
    await claim_all(engine)
    await mark(engine, claimed, Fate.RETRIED, attempt=REFUSED, sent=True)
    still = (await webhook_endpoints.find(engine, owner, endpoint.id)).failing_since
    await claim_all(engine)
    await mark(engine, claimed, Fate.DELIVERED, attempt=REFUSED, sent=True)

    assert failing is not None
    assert still == failing
    assert (await webhook_endpoints.find(engine, owner, endpoint.id)).failing_since is None


async def test_many_results_are_written_by_one_statement(
    engine: AsyncEngine, owner: str, endpoint: EndpointRow, asked: Any
) -> None:
    assert endpoint.client_id == owner
    await ended_jobs(engine, owner, 20)
    results = [
        Result(delivery_id=one.id, lane=one.lane, fate=Fate.DELIVERED, attempt=REFUSED, sent=True)
        for one in await claim_all(engine)
    ]

    statements = await asked(mark_many(engine, "d", results))

    assert len(statements) == 1
    assert {status for _, _, status in await told(engine)} == {"delivered"}


async def test_a_dead_letter_is_sent_again_under_its_id_with_a_schedule_anew(
    engine: AsyncEngine, owner: str, claimed: Claimed
) -> None:
    await mark(engine, claimed, Fate.DEAD, attempt=REFUSED, sent=True)

    again = await webhook_replays.replay(engine, owner, claimed.id, entry=ENTRY)

    assert (again.id, again.status, len(again.attempts)) == (claimed.id, DeliveryStatus.PENDING, 1)
    assert [(one.id, one.tries) for one in await claim_all(engine)] == [(claimed.id, 0)]


async def test_what_a_newer_version_has_taken_the_place_of_is_not_sent_again(engine: AsyncEngine, owner: str) -> None:
    await new_endpoint(engine, owner, events=EVERY_STATUS)
    job = await new_job(engine, owner)
    [older] = await claim_all(engine)
    await mark(engine, older, Fate.DEAD)
    await move(engine, [job], Status.SUCCEEDED)

    with pytest.raises(Conflict) as refused:
        await webhook_replays.replay(engine, owner, older.id, entry=ENTRY)
    swept = await webhook_replays.replay_dead(engine, Asked(client_id=owner), entry=ENTRY)

    assert refused.value.code == "delivery_superseded"
    assert swept.count == 0


async def test_nothing_is_sent_again_to_a_disabled_or_deleted_endpoint(
    engine: AsyncEngine, owner: str, claimed: Claimed, endpoint: EndpointRow
) -> None:
    await mark(engine, claimed, Fate.DEAD)
    await webhook_endpoints.change(engine, owner, endpoint.id, Changed(status=EndpointStatus.DISABLED), entry=ENTRY)
    codes = list[str]()

    for step in (None, webhook_endpoints.remove(engine, owner, endpoint.id, entry=ENTRY)):
        if step is not None:
            await step
        with pytest.raises(Conflict) as refused:
            await webhook_replays.replay(engine, owner, claimed.id, entry=ENTRY)
        codes.append(refused.value.code)

    assert codes == ["endpoint_disabled"] * 2


async def test_another_s_delivery_is_not_there(engine: AsyncEngine, claimed: Claimed) -> None:
    stranger = await new_owner(engine)

    with pytest.raises(NotFound):
        await webhook_deliveries.find(engine, stranger, claimed.id)
    with pytest.raises(NotFound):
        await webhook_replays.replay(engine, stranger, claimed.id, entry=ENTRY)


async def test_dead_letters_are_sent_again_by_the_range_and_some_at_a_time(
    engine: AsyncEngine, owner: str, endpoint: EndpointRow
) -> None:
    await ended_jobs(engine, owner, 5)
    results = [Result(delivery_id=one.id, lane=one.lane, fate=Fate.DEAD) for one in await claim_all(engine)]
    await mark_many(engine, "d", results)
    asked = Asked(client_id=owner, endpoint_id=endpoint.id)

    past = await webhook_replays.replay_dead(
        engine, asked, created_before=datetime(2020, 1, 1, tzinfo=UTC), entry=ENTRY
    )
    turns = [await webhook_replays.replay_dead(engine, asked, entry=ENTRY, most=3) for _ in range(2)]

    assert (past.count, past.more) == (0, False)
    assert [(turn.count, turn.more) for turn in turns] == [(3, True), (2, False)]
    assert len(await claim_all(engine)) == 5


async def test_deliveries_go_when_they_are_old_and_what_is_still_to_be_told_stays(
    engine: AsyncEngine, owner: str, claimed: Claimed
) -> None:
    await mark(engine, claimed, Fate.DELIVERED, attempt=REFUSED, sent=True)
    await ended_jobs(engine, owner, 1)

    gone = await retention.expire_deliveries(engine, keep=0, limit=100)

    assert gone == 1
    assert [status for _, _, status in await told(engine)] == ["pending"]


async def test_the_secrets_of_webhooks_are_sealed_anew_with_all_others(
    engine: AsyncEngine, owner: str, endpoint: EndpointRow
) -> None:
    await new_job(engine, owner, own=TERMINAL)
    sealed = VAULT.seal(endpoint.id, b"next")
    await webhook_endpoints.rotate(engine, owner, endpoint.id, sealed, overlap=60, entry=ENTRY)
    owners = list[str]()

    def resealed(owner_id: str, kept: bytes) -> bytes:
        owners.append(owner_id)
        return VAULT.seal(owner_id, VAULT.open(owner_id, kept))

    done = await resealing.reseal(engine, resealed)

    assert (done.seen, done.changed) == (4, 4)  # a key's, an endpoint's two, a job's
    assert owners.count(endpoint.id) == 2
