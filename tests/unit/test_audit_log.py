"""Who records something goes on when it is committed, together with all who came at the time."""

import asyncio
from collections.abc import Sequence

import pytest

from polling_api.audit import AuditLog
from polling_api.audit.log import MOST_ROWS, MOST_STATEMENTS, MOST_WAITING
from polling_api.domain.audit import Entry
from polling_api.errors import Unavailable


class Table:
    """Keeps what is written; each statement waits until the test lets it go, or fails."""

    def __init__(self) -> None:
        self.statements: list[list[Entry]] = []
        self._begun = asyncio.Condition()
        self._answers: list[asyncio.Future[None]] = []

    async def __call__(self, entries: Sequence[Entry], /) -> None:
        answer = asyncio.get_running_loop().create_future()
        async with self._begun:
            self.statements.append(list(entries))
            self._answers.append(answer)
            self._begun.notify_all()
        await answer

    async def begun(self, count: int) -> None:
        """Come back when so many statements have begun."""
        async with asyncio.timeout(10), self._begun:
            await self._begun.wait_for(lambda: len(self.statements) >= count)

    def commit(self, number: int = -1) -> None:
        self._answers[number].set_result(None)

    def fail(self, error: Exception, number: int = -1) -> None:
        self._answers[number].set_exception(error)


@pytest.fixture
def table() -> Table:
    return Table()


def entry(number: int = 0) -> Entry:
    return Entry(client_id="client_films", actor="key:key_1", action="results.read", request_id=str(number))


def numbers(statement: Sequence[Entry]) -> list[int]:
    return [int(one.request_id or "") for one in statement]


def recording(log: AuditLog, count: int, first: int = 0) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(log.record(entry(number))) for number in range(first, first + count)]


async def test_nobody_goes_on_before_the_commit(table: Table) -> None:
    [task] = recording(AuditLog(table), 1)
    await table.begun(1)
    done_before = task.done()
    table.commit()
    await task

    assert not done_before


async def test_those_who_come_at_once_share_a_statement_in_their_order(table: Table) -> None:
    tasks = recording(AuditLog(table), 300)
    await table.begun(1)
    table.commit()
    await asyncio.gather(*tasks)

    assert [numbers(statement) for statement in table.statements] == [list(range(300))]


async def test_a_statement_has_at_most_so_many_rows_and_so_many_are_under_way(table: Table) -> None:
    log = AuditLog(table)
    tasks = recording(log, 3 * MOST_ROWS)
    await table.begun(MOST_STATEMENTS)
    for _ in range(5):
        await asyncio.sleep(0)
    under_way = list(map(len, table.statements))
    table.commit(0)
    await table.begun(3)
    table.commit(1)
    table.commit(2)
    await asyncio.gather(*tasks)

    assert under_way == [MOST_ROWS] * MOST_STATEMENTS
    assert sum(map(len, table.statements)) == 3 * MOST_ROWS


async def test_those_who_come_while_statements_are_under_way_share_the_next(table: Table) -> None:
    log = AuditLog(table)
    tasks = recording(log, 1)
    await table.begun(1)
    tasks += recording(log, 1, first=1)
    await table.begun(2)
    tasks += recording(log, 50, first=2)
    await asyncio.sleep(0)
    table.commit(0)
    await table.begun(3)
    table.commit(1)
    table.commit(2)
    await asyncio.gather(*tasks)

    assert list(map(len, table.statements)) == [1, 1, 50]


async def test_a_caller_that_goes_away_takes_its_entry_along_and_no_other(table: Table) -> None:
    tasks = recording(AuditLog(table), 3)
    await asyncio.sleep(0)
    tasks[1].cancel()
    await table.begun(1)
    table.commit()
    await asyncio.gather(tasks[0], tasks[2])

    assert tasks[1].cancelled()
    assert numbers(table.statements[0]) == [0, 2]


async def test_a_caller_that_goes_away_during_the_commit_does_not_cut_it_off(table: Table) -> None:
    tasks = recording(AuditLog(table), 3)
    await table.begun(1)
    tasks[0].cancel()
    await asyncio.wait([tasks[0]])
    table.commit()
    await asyncio.gather(*tasks[1:])

    assert numbers(table.statements[0]) == [0, 1, 2]


@pytest.mark.parametrize("error", [Unavailable("away"), ValueError("a mistake of ours")])
async def test_all_whose_statement_fails_are_told_unavailable(table: Table, error: Exception) -> None:
    tasks = recording(AuditLog(table), 3)
    await table.begun(1)
    table.fail(error)
    told = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(one) for one in told] == [Unavailable] * 3
    assert len({id(one) for one in told}) == 3


async def test_after_a_failure_the_next_is_written(table: Table) -> None:
    log = AuditLog(table)
    [first] = recording(log, 1)
    await table.begun(1)
    table.fail(Unavailable("away"))
    await asyncio.wait([first])
    [second] = recording(log, 1, first=1)
    await table.begun(2)
    table.commit()
    await second

    assert numbers(table.statements[1]) == [1]


async def test_nobody_waits_longer_than_the_deadline_and_what_was_not_begun_is_not_written(table: Table) -> None:
    log = AuditLog(table, within=0.05)
    stuck = recording(log, 1)
    await table.begun(1)
    stuck += recording(log, 1)
    await table.begun(2)

    told = await asyncio.gather(*stuck, *recording(log, 10, first=2), return_exceptions=True)
    table.commit(0)
    table.commit(1)
    fresh = recording(log, 1, first=100)
    await table.begun(3)
    table.commit(2)
    await asyncio.gather(*fresh)

    assert [type(one) for one in told] == [Unavailable] * 12
    assert numbers(table.statements[2]) == [100]


async def test_beyond_the_bound_nobody_waits_at_all(table: Table) -> None:
    log = AuditLog(table)
    under_way = recording(log, MOST_ROWS * MOST_STATEMENTS)
    await table.begun(MOST_STATEMENTS)
    waiting = recording(log, MOST_WAITING)
    await asyncio.sleep(0)

    with pytest.raises(Unavailable):
        await log.record(entry())

    for task in (*under_way, *waiting):
        task.cancel()
    await asyncio.wait([*under_way, *waiting])
    assert len(table.statements) == MOST_STATEMENTS


async def test_the_end_waits_for_what_is_being_written(table: Table) -> None:
    log = AuditLog(table)
    [task] = recording(log, 1)
    await table.begun(1)
    ending = asyncio.create_task(log.close())
    await asyncio.sleep(0)
    waited = not ending.done()
    table.commit()
    await asyncio.gather(task, ending)

    assert waited
