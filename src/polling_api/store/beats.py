"""The primary's beats: random numbers, a few a second, each committed after all that was to be seen when it was begun.

What holds a beat holds all of that: the beat's record comes after theirs in the log, and a log is replayed in order.
Nobody can have one but by replaying the log of the primary that made it, whatever clock, position or timeline it has.
"""

from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.store.engine import statements

# Whoever knows any beat of the last seconds finds it among the 16. The clock is compared with itself alone; while it is
# behind what it was, a beat is due all the same.
_BEAT = text(
    """
    WITH due AS (
        SELECT id FROM replica_beats
        WHERE extract(epoch FROM clock_timestamp() - at) NOT BETWEEN 0 AND CAST(:spacing AS float8)
        FOR UPDATE SKIP LOCKED
    ), made AS (
        UPDATE replica_beats
        SET at = clock_timestamp(), recent = (CAST(gen_random_uuid() AS text) || recent)[1:16]
        FROM due WHERE replica_beats.id = due.id
        RETURNING at, recent
    ), present AS (
        SELECT at, recent FROM made
        UNION ALL
        SELECT at, recent FROM replica_beats WHERE NOT EXISTS (SELECT FROM made)
    )
    SELECT recent[1] AS beat, CAST(extract(epoch FROM clock_timestamp() - at) AS float8) AS age FROM present
    """
)
_FIRST = text("INSERT INTO replica_beats VALUES (1, to_timestamp(0), '{}') ON CONFLICT DO NOTHING")


class Beat(NamedTuple):
    """A beat of the primary, and how long ago it was begun, in seconds: never less than it was."""

    name: str
    age: float


async def beat(engine: AsyncEngine, *, spacing: float) -> Beat | None:
    """Learn the primary's last beat, and make a new one where that is older than `spacing` seconds.

    However many processes ask, one beat is made in that time, and nobody waits for whoever makes it.

    Returns:
        The beat; None where the next has yet to be made.

    Raises:
        Unavailable: the primary did not answer.
    """
    async with statements(engine) as connection:
        present = (await connection.execute(_BEAT, {"spacing": spacing})).one_or_none()
        if present is None:
            await connection.execute(_FIRST)
            present = (await connection.execute(_BEAT, {"spacing": spacing})).one()
    # Less than nothing: the clock was set back, and whoever makes the next beat is at it.
    return Beat(present.beat, present.age) if present.beat and present.age >= 0 else None
