"""A wait is in the burst until it is held for a second, whether it is answered by then or not."""

import asyncio

import pytest
from starlette.types import Scope

from in_process.clocks import Clock
from polling_api.api.guard import Guard
from polling_api.api.header_lines import headers_of
from polling_api.errors import TooMany
from polling_api.ratelimit import WAIT, Blocks, Counters, Figures, Proxies, SeenProxy, Suspects, Windows

NOON = 1_795_600_800.0  # epoch seconds
JOB = "job_00000000000000000000000000000001"
FIGURES = Figures()


@pytest.fixture
def guard() -> Guard:
    """Whose clock stands still: no window ends while a test runs."""
    blocks = Blocks()
    return Guard(
        figures=FIGURES,
        proxies=Proxies([]),
        windows=Windows(Counters(), FIGURES),
        blocks=blocks,
        suspects=Suspects("process", blocks),
        seen_proxy=SeenProxy(),
        own_hour=lambda _: None,
        clock=Clock(NOON),
    )


def waits(guard: Guard) -> Scope | None:
    """A wait for one job that was counted; None where it was refused."""
    scope: Scope = {
        "type": "http",
        "method": "GET",
        "path": f"/api/v1/jobs/{JOB}",
        "headers": [],
        "client": ("192.0.2.1", 4711),
        "polling.transport": "wait",
    }
    guard.meet(scope)
    try:
        guard.count(scope, JOB, WAIT)
    except TooMany:
        return None
    return scope


def left(guard: Guard, scope: Scope) -> dict[bytes, bytes]:
    """What an answer says that begins now."""
    return dict(headers_of(guard.told(scope, 304)))


async def next_beside(guard: Guard, held: Scope) -> Scope:
    """The next wait that there is room for while another is held."""
    with guard.waits(held):
        async with asyncio.timeout(10):
            while (scope := waits(guard)) is None:  # noqa: ASYNC110 - what happens is that a timer ends
                await asyncio.sleep(0.05)
    return scope


async def test_a_wait_makes_room_in_the_burst_while_it_is_held(guard: Guard) -> None:
    scopes = [waits(guard) for _ in range(FIGURES.burst + 1)]
    held, refused = scopes[0], scopes[-1]
    assert held is not None
    assert refused is None

    next_one = await next_beside(guard, held)

    assert waits(guard) is None
    assert left(guard, next_one)[b"x-ratelimit-remaining"] == b"0"
    left(guard, held)  # its own answer gives nothing back a second time
    assert waits(guard) is None


async def test_a_wait_that_ends_sooner_stays_in_it(guard: Guard) -> None:
    scopes = [waits(guard) for _ in range(FIGURES.burst)]
    held = scopes[0]
    assert held is not None

    with guard.waits(held):
        pass
    left(guard, held)
    later = scopes[1]
    assert later is not None
    await next_beside(guard, later)  # which began later, and makes room for one

    assert waits(guard) is None
