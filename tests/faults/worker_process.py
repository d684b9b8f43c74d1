"""A worker in a process of its own, which gets a signal from itself at a named point.

    python worker_process.py FD POINT SIGNAL

It serves on the inherited socket FD, with the settings in its environment. When it passes POINT, it sends itself
SIGNAL: KILL ends it as a power cut would, STOP pauses it until somebody sends CONT.

Points: `recorded`, an entry of the audit log is committed and nobody was told yet; `key made`, so is a key with its.
"""

import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from polling_api.audit import AuditLog
from polling_api.settings import Settings
from polling_api.store import keys

if TYPE_CHECKING:
    from types import CoroutineType

Given = ParamSpec("Given")
Made = TypeVar("Made")


def then(
    call: Callable[Given, Coroutine[Any, Any, Made]], passed: Callable[[], None]
) -> "Callable[Given, CoroutineType[Any, Any, Made]]":
    """The same call, which tells when it is done, before its caller hears of it."""

    async def telling(*arguments: Given.args, **options: Given.kwargs) -> Made:
        made = await call(*arguments, **options)
        passed()
        return made

    return telling


def main(fd: str, point: str, signal_name: str) -> None:
    def at(passed: str) -> Callable[[], None]:
        return lambda: os.kill(os.getpid(), signal.Signals[f"SIG{signal_name}"]) if passed == point else None

    AuditLog.record = then(AuditLog.record, at("recorded"))
    keys.make = then(keys.make, at("key made"))

    from polling_api.server import run_worker  # noqa: PLC0415 - it takes the calls as they are when it is loaded

    run_worker(Settings(), int(fd))


if __name__ == "__main__":
    main(*sys.argv[1:])
