"""What is refused is summed by the minute, whoever is refused, and however many they are."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.audit import Refusals
from polling_api.audit.minute import MOST_OF_CLIENTS, MOST_OF_STRANGERS
from polling_api.audit.refusals import MOST_WAITING
from polling_api.domain.audit import Entry
from polling_api.domain.caller import ANYBODY, Caller, Grant
from polling_api.errors import Unavailable

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE, TICK = timedelta(minutes=1), timedelta(microseconds=1)
FILMS = Caller(client_id="client_films", key_id="key_1")
HERE, THERE = "203.0.113.7", "203.0.113.8"


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


class Table:
    """Keeps what is written, while it is not away."""

    def __init__(self) -> None:
        self.statements: list[list[Entry]] = []
        self.tried: list[list[Entry]] = []
        self.failing: Exception | None = None
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, entries: Sequence[Entry], /) -> None:
        self.tried.append(list(entries))
        self.asked.set()
        await self.gate.wait()
        if self.failing:
            raise self.failing
        self.statements.append(list(entries))

    @property
    def rows(self) -> list[Entry]:
        return [entry for statement in self.statements for entry in statement]


class Pauses:
    """Pauses that end when the test says so."""

    def __init__(self) -> None:
        self._begun: asyncio.Queue[float] = asyncio.Queue()
        self._end = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self._begun.put_nowait(seconds)
        await self._end.wait()
        self._end.clear()

    async def begun(self) -> float:
        """Come back when the next one has begun; answers how many seconds it is to last."""
        return await asyncio.wait_for(self._begun.get(), timeout=10)

    def end(self) -> None:
        self._end.set()

    async def over(self) -> float:
        """End the present one, and come back when the next has begun."""
        self.end()
        return await self.begun()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def refusals(table: Table, clock: Clock, pauses: Pauses) -> Refusals:
    return Refusals(table, now=clock, pause=pauses)


@pytest.fixture
async def running(refusals: Refusals) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(refusals.run())
    yield task
    task.cancel()
    await asyncio.wait([task])


def refuse(refusals: Refusals, caller: Caller = FILMS, *, code: str = "rate_limited", address: str = HERE) -> None:
    refusals.count(caller, code=code, route="read_job", address=address)


async def test_a_row_tells_who_was_refused_what_and_how_often(refusals: Refusals, table: Table) -> None:
    for _ in range(3):
        refuse(refusals)
    await refusals.flush(1)

    [row] = table.rows
    assert (row.client_id, row.actor, row.action) == ("client_films", "key:key_1", "refused.read_job")
    assert (row.outcome, row.count, row.address, row.minute) == ("rate_limited", 3, HERE, NOON)


async def test_callers_codes_and_routes_have_their_own_rows(refusals: Refusals, table: Table) -> None:
    grant = Grant("tok_1", "client_films", "key_1", None, frozenset(), NOON)
    bearer = Caller(client_id="client_films", key_id="key_1", grant=grant)
    refuse(refusals)
    refuse(refusals, bearer)
    refuse(refusals, code="forbidden")
    refusals.count(FILMS, code="rate_limited", route="read_results", address=HERE)
    await refusals.flush(1)

    assert [(row.actor, row.outcome, row.action, row.count) for row in table.rows] == [
        ("key:key_1", "rate_limited", "refused.read_job", 1),
        ("token:tok_1", "rate_limited", "refused.read_job", 1),
        ("key:key_1", "forbidden", "refused.read_job", 1),
        ("key:key_1", "rate_limited", "refused.read_results", 1),
    ]


async def test_a_client_at_several_addresses_is_one_caller(refusals: Refusals, table: Table) -> None:
    for address in (HERE, THERE, HERE):
        refuse(refusals, address=address)
    await refusals.flush(1)

    assert [(row.count, row.address) for row in table.rows] == [(3, None)]


async def test_strangers_are_told_apart_by_their_address(refusals: Refusals, table: Table) -> None:
    for address in (HERE, THERE, HERE):
        refuse(refusals, ANYBODY, address=address)
    await refusals.flush(1)

    assert [(row.client_id, row.actor, row.address, row.count) for row in table.rows] == [
        (None, "anonymous", HERE, 2),
        (None, "anonymous", THERE, 1),
    ]


async def test_the_edge_of_the_minute_is_exact(refusals: Refusals, table: Table, clock: Clock) -> None:
    for time in (NOON, NOON + MINUTE - TICK, NOON + MINUTE, NOON + 2 * MINUTE - TICK, NOON + 2 * MINUTE):
        clock.time = time
        refuse(refusals)
    await refusals.flush(1)

    assert [(row.minute, row.count) for row in table.rows] == [
        (NOON, 2),
        (NOON + MINUTE, 2),
        (NOON + 2 * MINUTE, 1),
    ]


@given(st.lists(st.tuples(st.integers(0, 200), st.sampled_from([ANYBODY, FILMS]), st.sampled_from("ab"))))
async def test_every_refusal_is_in_exactly_the_row_of_its_minute(steps: list[tuple[int, Caller, str]]) -> None:
    clock, table = Clock(), Table()
    refusals = Refusals(table, now=clock)
    times = sorted(seconds for seconds, _, _ in steps)

    for seconds, (_, caller, code) in zip(times, steps, strict=True):
        clock.time = NOON + timedelta(seconds=seconds)
        refuse(refusals, caller, code=code)
    await refusals.flush(1)

    expected = [
        (seconds // 60, caller.client_id, code) for seconds, (_, caller, code) in zip(times, steps, strict=True)
    ]
    rows = table.rows
    told = {(row.minute and (row.minute - NOON) // MINUTE, row.client_id, row.outcome): row.count for row in rows}
    assert len(told) == len(rows)
    assert told == {one: expected.count(one) for one in expected}


async def test_strangers_beyond_the_bound_are_summed_by_code(refusals: Refusals, table: Table) -> None:
    for number in range(MOST_OF_STRANGERS + 100):
        refuse(refusals, ANYBODY, address=f"198.51.100.{number}")
        refuse(refusals, ANYBODY, address=f"198.51.100.{number}", code="job_not_found")
    await refusals.flush(1)

    others = {(row.actor, row.action, row.outcome, row.address, row.count) for row in table.rows[MOST_OF_STRANGERS:]}
    rest = MOST_OF_STRANGERS + 100 - MOST_OF_STRANGERS // 2
    assert len(table.rows) == MOST_OF_STRANGERS + 2
    assert others == {
        ("others", "refused", "rate_limited", None, rest),
        ("others", "refused", "job_not_found", None, rest),
    }


async def test_a_crowd_of_strangers_hides_no_client(refusals: Refusals, table: Table) -> None:
    for number in range(MOST_OF_STRANGERS * 2):
        refuse(refusals, ANYBODY, address=str(number))
    refuse(refusals)
    await refusals.flush(1)

    assert [row.count for row in table.rows if row.client_id == "client_films"] == [1]


async def test_callers_of_clients_are_bounded_too(refusals: Refusals, table: Table) -> None:
    for number in range(MOST_OF_CLIENTS + 10):
        refuse(refusals, Caller(client_id="client_films", key_id=f"key_{number}"))
    await refusals.flush(1)

    assert len(table.rows) == MOST_OF_CLIENTS + 1
    assert (table.rows[-1].actor, table.rows[-1].count) == ("others", 10)


async def test_each_minute_has_room_of_its_own(refusals: Refusals, table: Table, clock: Clock) -> None:
    for number in range(MOST_OF_STRANGERS):
        refuse(refusals, ANYBODY, address=str(number))
    clock.time += MINUTE
    refuse(refusals, ANYBODY)
    await refusals.flush(1)

    assert (table.rows[-1].actor, table.rows[-1].address) == ("anonymous", HERE)


async def test_a_minute_goes_in_one_statement(refusals: Refusals, table: Table) -> None:
    for number in range(300):
        refuse(refusals, ANYBODY, address=str(number))
    await refusals.flush(1)

    assert [len(statement) for statement in table.statements] == [300]


async def test_nothing_refused_writes_nothing(refusals: Refusals, table: Table) -> None:
    await refusals.flush(1)

    assert not table.asked.is_set()


@pytest.mark.usefixtures("running")
async def test_a_minute_is_written_when_it_is_over(
    refusals: Refusals, table: Table, clock: Clock, pauses: Pauses
) -> None:
    await pauses.begun()
    clock.time += timedelta(seconds=30)
    refuse(refusals)
    early = await pauses.over()
    too_early = list(table.rows)
    clock.time += timedelta(seconds=30)
    await pauses.over()

    assert (early, too_early) == (30, [])
    assert [(row.minute, row.count) for row in table.rows] == [(NOON, 1)]


@pytest.mark.usefixtures("running")
async def test_what_cannot_be_written_is_tried_again_as_the_same_rows(
    refusals: Refusals, table: Table, clock: Clock, pauses: Pauses
) -> None:
    await pauses.begun()
    table.failing = Unavailable("away")
    refuse(refusals)
    clock.time += MINUTE
    await pauses.over()
    refuse(refusals)
    table.failing = None
    clock.time += MINUTE
    await pauses.over()

    assert table.rows[0].id == table.tried[0][0].id
    assert [(row.minute, row.count) for row in table.rows] == [(NOON, 1), (NOON + MINUTE, 1)]


@pytest.mark.usefixtures("running")
async def test_only_so_much_waits_for_a_database_that_stays_away(
    refusals: Refusals, table: Table, clock: Clock, pauses: Pauses
) -> None:
    await pauses.begun()
    table.failing = Unavailable("away")
    for _ in range(MOST_WAITING // MOST_OF_STRANGERS + 2):
        for number in range(MOST_OF_STRANGERS):
            refuse(refusals, ANYBODY, address=str(number))
        clock.time += MINUTE
        await pauses.over()
    table.failing = None
    await pauses.over()

    assert len(table.rows) == MOST_WAITING
    assert table.rows[0].minute == NOON + 2 * MINUTE


@pytest.mark.usefixtures("running")
async def test_rows_that_can_never_be_written_do_not_keep_back_the_others(
    refusals: Refusals, table: Table, clock: Clock, pauses: Pauses
) -> None:
    await pauses.begun()
    table.failing = ValueError("a mistake of ours")
    refuse(refusals)
    clock.time += MINUTE
    await pauses.over()
    table.failing = None
    refuse(refusals)
    clock.time += MINUTE
    await pauses.over()

    assert [row.minute for row in table.rows] == [NOON + MINUTE]


@pytest.mark.usefixtures("running")
async def test_a_clock_that_is_set_back_does_not_stop_the_writing(
    refusals: Refusals, table: Table, clock: Clock, pauses: Pauses
) -> None:
    await pauses.begun()
    refuse(refusals)
    clock.time -= timedelta(hours=1)
    refuse(refusals)
    await pauses.over()
    seconds = await pauses.over()

    assert seconds == 60
    assert [row.minute for row in table.rows] == [NOON]


async def test_ending_in_the_middle_of_a_write_lets_it_finish(
    refusals: Refusals, table: Table, clock: Clock, pauses: Pauses, running: asyncio.Task[None]
) -> None:
    await pauses.begun()
    table.gate.clear()
    refuse(refusals)
    clock.time += MINUTE
    pauses.end()
    await table.asked.wait()
    running.cancel()
    refuse(refusals, code="forbidden")
    flushing = asyncio.create_task(refusals.flush(1))
    await asyncio.wait([running])
    table.gate.set()
    await flushing

    assert [row.outcome for row in table.rows] == ["rate_limited", "forbidden"]


async def test_the_end_waits_no_longer_than_it_is_told_to(refusals: Refusals, table: Table) -> None:
    table.gate.clear()
    refuse(refusals)

    await refusals.flush(0.01)

    assert table.asked.is_set()
    assert table.rows == []
    table.gate.set()
