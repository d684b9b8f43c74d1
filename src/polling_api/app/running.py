"""Parts that run beside the requests, kept going and ended in order."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress

import structlog

from polling_api.app.restarts import Restarts
from polling_api.hub import Hub

FLUSH_WITHIN = 1.0  # seconds at the end for notices that are still queued
RESTART_AFTER = 1.0  # seconds before a part that failed unexpectedly is started again

Part = Callable[[], Awaitable[None]]

_log = structlog.get_logger(__name__)


def start(
    parts: Iterable[Part], restarts: Restarts, *, restart_after: float = RESTART_AFTER
) -> list[asyncio.Task[None]]:
    """Run each part in a task of its own, until it is ended.

    Args:
        parts: none of them ends by itself.
        restarts: is told of those that fail.
        restart_after: seconds until such a one is started again.
    """
    return [asyncio.create_task(_keep_running(part, restarts, restart_after)) for part in parts]


async def end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel parts, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def flush(hub: Hub) -> None:
    """Give queued notices a moment; what is not sent by then is found by comparison."""
    with suppress(TimeoutError):
        await asyncio.wait_for(hub.flushed(), FLUSH_WITHIN)


async def _keep_running(part: Part, restarts: Restarts, restart_after: float) -> None:
    """A part that fails unexpectedly is a mistake of ours, and must not end all the others."""
    while True:
        try:
            await part()
        except asyncio.CancelledError:
            if _is_told_to_end():
                raise
            _log.exception("a part was cancelled by something within it and is started again", part=repr(part))
        except Exception:  # noqa: BLE001 - logged, and the part begins anew
            _log.exception("a part failed and is started again", part=repr(part))
        restarts.note(_name_of(part))
        await asyncio.sleep(restart_after)


def _name_of(part: Part) -> str:
    return getattr(part, "__qualname__", type(part).__name__)


def _is_told_to_end() -> bool:
    """Whether this task was cancelled itself, and not only something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
