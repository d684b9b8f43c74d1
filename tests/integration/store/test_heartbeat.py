"""What a heartbeat takes for life: an answer, whoever else is let in; and nothing that keeps all of us out."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.store.availability import Away
from polling_api.store.heartbeat import Heartbeat

CROWDED = "crowded"
connect: Any = asyncpg.connect  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def heartbeat(url: str) -> Heartbeat:
    return Heartbeat(url, within=5, application_name="tests heartbeat")


def of(url: str, **changes: str) -> str:
    return make_url(url).set(**changes).render_as_string(hide_password=False)  # type: ignore[arg-type]


@pytest.fixture
async def crowded(engine: AsyncEngine, postgres_url: str) -> AsyncIterator[str]:
    """The address by which a role comes that may have one connection."""
    async with engine.begin() as administering:
        await administering.execute(text(f"CREATE ROLE {CROWDED} LOGIN CONNECTION LIMIT 1"))
    yield of(postgres_url, username=CROWDED)
    async with engine.begin() as administering:
        await administering.execute(text(f"DROP ROLE {CROWDED}"))


async def test_that_all_connections_are_taken_is_an_answer(crowded: str) -> None:
    heart = heartbeat(crowded)
    other = await connect(crowded)

    await heart.beat()
    await other.close()
    await heart.beat()

    heart.close()


@pytest.mark.parametrize("changes", [{"database": "nobody_made_it"}, {"username": "nobody"}])
async def test_who_is_not_let_in_has_no_database(postgres_url: str, changes: dict[str, str]) -> None:
    heart = heartbeat(of(postgres_url, **changes))

    with pytest.raises(Away) as away:
        await heart.beat()

    assert isinstance(away.value.__cause__, asyncpg.PostgresError)
