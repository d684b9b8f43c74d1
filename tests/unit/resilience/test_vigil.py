"""Heartbeats drive a circuit, and whoever has to know of a change is told once."""

import asyncio

from polling_api.resilience.breaker import Breaker, Policy, State
from polling_api.resilience.vigil import Vigil

POLICY = Policy(window=60, fewest=2, failure_share=0.5, open_first=0.0, open_most=0.0)


class Silent(Exception):
    pass


class Heart:
    """Answers as the script says, and holds the vigil when the script is over."""

    def __init__(self, script: str) -> None:
        self._script = iter(script)
        self.over = asyncio.Event()

    async def beat(self) -> None:
        step = next(self._script, None)
        if step is None:
            self.over.set()
            await asyncio.Event().wait()
        if step == "x":
            raise Silent


async def told_of(script: str) -> tuple[list[str], State]:
    """What was told while the heart beat so: `.` for an answer, `x` for none."""
    told: list[str] = []
    heart = Heart(script)
    circuit = Breaker(POLICY, failures=(Silent,))
    vigil = Vigil(
        "it",
        heart.beat,
        Silent,
        circuit,
        every=0,
        gone=lambda: told.append("gone"),
        back=lambda: told.append("back"),
    )
    running = asyncio.create_task(vigil.run())
    async with asyncio.timeout(5):
        await heart.over.wait()
    state = circuit.state
    running.cancel()
    return told, state


async def test_nobody_is_told_of_a_heart_that_beats() -> None:
    assert await told_of("....") == ([], State.CLOSED)


async def test_one_missed_beat_among_many_changes_nothing() -> None:
    assert await told_of("...x...") == ([], State.CLOSED)


async def test_beats_that_are_missed_in_a_row_open_the_circuit_and_are_told_once() -> None:
    told, state = await told_of("xxxx")
    assert told == ["gone"]
    assert state is not State.CLOSED


async def test_the_first_beat_after_that_closes_it_and_is_told() -> None:
    assert await told_of("xxx.") == (["gone", "back"], State.CLOSED)
