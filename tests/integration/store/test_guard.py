"""Circuit breakers before a pool, on a real Postgres."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from polling_api.errors import Conflict, Unavailable
from polling_api.resilience.breaker import Breaker, Policy, State
from polling_api.store.availability import Away
from polling_api.store.engine import Engine, connect, statements, transaction
from polling_api.store.guard import Guard

POLICY = Policy(fewest=2, open_first=3600, open_most=3600)


def breaker() -> Breaker:
    return Breaker(POLICY, failures=(Away,))


class Guarded:
    def __init__(self, url: str, **options: float) -> None:
        self.whole, self.kind = breaker(), breaker()
        self.engine: Engine = connect(
            url,
            pool_size=1,
            max_overflow=0,
            pool_timeout=0.05,
            statement_timeout=options.get("statement_timeout", 5),
            application_name="tests",
            guard=Guard(self.whole, self.kind),
        )


@pytest.fixture
async def guarded(postgres_url: str) -> AsyncIterator[Guarded]:
    made = Guarded(postgres_url)
    yield made
    await made.engine.dispose()


def opened(circuit: Breaker) -> None:
    for _ in range(2):
        with pytest.raises(Away), circuit.attempt():
            raise Away("It does not answer.")


async def ask(engine: Engine, statement: str = "SELECT 1") -> None:
    async with statements(engine) as connection:
        await connection.execute(text(statement))


async def test_while_it_is_closed_work_is_done(guarded: Guarded) -> None:
    await ask(guarded.engine)

    assert guarded.kind.state is State.CLOSED


async def test_while_no_heart_beats_nothing_is_begun(guarded: Guarded) -> None:
    opened(guarded.whole)

    with pytest.raises(Unavailable, match="left alone") as refused:
        await ask(guarded.engine)

    assert refused.value.retry_after
    assert not isinstance(refused.value, Away), "else refusals would keep circuits open"


async def test_a_kind_of_work_that_fails_is_refused_by_itself(guarded: Guarded) -> None:
    for _ in range(2):
        with pytest.raises(Away):
            await ask(guarded.engine, "DO $$BEGIN RAISE SQLSTATE '25006'; END$$")  # as of a primary that was demoted

    with pytest.raises(Unavailable, match="left alone"):
        await ask(guarded.engine)

    assert guarded.whole.state is State.CLOSED


@pytest.mark.parametrize("code", ["40001", "40P01", "55P03"])
async def test_losing_against_another_transaction_is_no_fault_of_the_database(guarded: Guarded, code: str) -> None:
    for _ in range(3):
        with pytest.raises(Unavailable):
            await ask(guarded.engine, f"DO $$BEGIN RAISE SQLSTATE '{code}'; END$$")

    assert guarded.kind.state is State.CLOSED


async def test_neither_is_what_we_refuse_ourselves(guarded: Guarded) -> None:
    for _ in range(3):
        with pytest.raises(Conflict):
            async with transaction(guarded.engine):
                raise Conflict("Not now.")

    assert guarded.kind.state is State.CLOSED


async def test_a_pool_that_is_in_use_says_nothing_of_the_database(guarded: Guarded) -> None:
    async with transaction(guarded.engine):
        for _ in range(3):
            with pytest.raises(Unavailable):
                await ask(guarded.engine)

    assert guarded.kind.state is State.CLOSED
