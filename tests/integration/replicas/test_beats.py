"""The primary's beats: few, however many ask, and in no replica before all that came before them."""

import asyncio

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.store.beats import Beat, beat
from polling_api.store.engine import transaction

LONG = 600.0  # seconds: no test takes as long


async def some_beat(engine: AsyncEngine, *, spacing: float) -> Beat:
    present = await beat(engine, spacing=spacing)
    while present is None:
        present = await beat(engine, spacing=spacing)
    return present


async def test_however_many_ask_one_is_made_in_its_time(primary: AsyncEngine) -> None:
    first = await some_beat(primary, spacing=0)

    asked = await asyncio.gather(*(beat(primary, spacing=LONG) for _ in range(20)))

    assert {one and one.name for one in asked} == {first.name}


async def test_the_next_is_another_and_younger(primary: AsyncEngine) -> None:
    first = await some_beat(primary, spacing=LONG)
    later = await some_beat(primary, spacing=LONG)
    second = await some_beat(primary, spacing=0)

    assert first.name == later.name != second.name
    assert 0 <= first.age < later.age


async def test_nobody_waits_for_whoever_makes_it(primary: AsyncEngine) -> None:
    present = await some_beat(primary, spacing=0)

    async with transaction(primary) as connection, asyncio.timeout(5):
        await connection.execute(text("SELECT FROM replica_beats FOR UPDATE"))
        told = await beat(primary, spacing=0)

    assert told is not None
    assert told.name == present.name


async def test_a_clock_that_was_set_back_is_not_waited_for(primary: AsyncEngine) -> None:
    present = await some_beat(primary, spacing=0)
    async with transaction(primary) as connection:
        await connection.execute(text("UPDATE replica_beats SET at = clock_timestamp() + interval '1 hour'"))

    told = await some_beat(primary, spacing=LONG)

    assert told.name != present.name
    assert told.age < LONG


async def test_the_first_is_made_where_there_is_none(primary: AsyncEngine) -> None:
    async with transaction(primary) as connection:
        await connection.execute(text("DELETE FROM replica_beats"))

    assert await beat(primary, spacing=LONG) is not None
