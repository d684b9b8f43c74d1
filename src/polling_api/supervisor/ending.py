"""Ending the children in order, each within its time."""

import asyncio
import signal
import time
from collections.abc import Sequence

import structlog

from polling_api.supervisor.child import Child

# SIGINT: somebody waits at the keyboard. With the embedded servers' 2.4 s this stays below 5 s for everything.
INTERRUPT_PATIENCE = 1.5  # seconds for those who end first
INTERRUPT_PATIENCE_IN_ALL = 2.4  # seconds, with those who end last
LAST_PATIENCE = 0.9  # seconds for those who end last, which then have nothing left to do
DRAIN_MARGIN = 3.0  # seconds beyond the drain time, for answers that are being written when it is over

_log = structlog.get_logger(__name__)


async def end_in_stages(
    stages: Sequence[Sequence[Child]],
    number: signal.Signals,
    *,
    drain_seconds: float,
    signals: asyncio.Queue[signal.Signals],
) -> None:
    """End children stage by stage: those who need others go first.

    SIGINT makes them hurry; SIGTERM, and SIGHUP which becomes one, gives them the drain time. A SIGINT that comes
    meanwhile makes them hurry from then on. What is left when the time is over is killed.
    """
    number = number if number is signal.SIGINT else signal.SIGTERM
    patience = INTERRUPT_PATIENCE if number is signal.SIGINT else drain_seconds + DRAIN_MARGIN
    begun = time.monotonic()
    for stage in stages:
        number = await _end_stage(stage, number, patience, signals)
        patience = max(LAST_PATIENCE, INTERRUPT_PATIENCE_IN_ALL - (time.monotonic() - begun))


async def _end_stage(
    stage: Sequence[Child], number: signal.Signals, patience: float, signals: asyncio.Queue[signal.Signals]
) -> signal.Signals:
    gone = asyncio.gather(*(child.ended() for child in stage))
    deadline = time.monotonic() + patience
    _signal(stage, number)
    while not gone.done():
        hurry = asyncio.ensure_future(signals.get())
        await asyncio.wait({gone, hurry}, timeout=max(0, deadline - time.monotonic()), return_when="FIRST_COMPLETED")
        if hurry.done():
            if hurry.result() is signal.SIGINT:
                number = signal.SIGINT
                deadline = min(deadline, time.monotonic() + INTERRUPT_PATIENCE)
                _signal(stage, number)
        else:
            hurry.cancel()
            if time.monotonic() >= deadline:
                _kill(stage)
                await gone
    return number


def _signal(stage: Sequence[Child], number: signal.Signals) -> None:
    for child in stage:
        child.signal(number)


def _kill(stage: Sequence[Child]) -> None:
    for child in stage:
        if child.pid is not None:
            _log.warning("a child did not end in time and is killed", child=child.role.name)
            child.kill()
