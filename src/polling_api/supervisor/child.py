"""A process of ours: started in a session of its own, replaced when it dies, ended when it is time."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from polling_api import metrics
from polling_api.resilience.backoff import full_jitter

RESTART_FIRST, RESTART_MOST = 0.5, 10.0  # seconds before a dead child is replaced: doubling, jittered
STEADY_AFTER = 30.0  # seconds of life after which earlier deaths are forgotten

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Role:
    """What one child does.

    `arguments` are those of `polling-api`; secrets never are among them, since every user can read them: they go by
    `environment`. `inherits` are descriptors it keeps. It logs to the end of the file `output`, or where we do.
    """

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    inherits: tuple[int, ...] = ()
    output: Path | None = None


class Child:
    """One running child and its replacements.

    Its standard input is the lifeline: a pipe that closes when this process dies, however it dies.
    """

    def __init__(self, role: Role) -> None:
        self.role = role
        self._process: asyncio.subprocess.Process | None = None
        self._ending = False

    @property
    def pid(self) -> int | None:
        """Its process id, or None while there is none."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start it; returns before it is ready."""
        with ExitStack() as stack:
            output = stack.enter_context(self.role.output.open("ab")) if self.role.output else None
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "polling_api",
                *self.role.arguments,
                "--lifeline",
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=dict(self.role.environment),
                pass_fds=self.role.inherits,
                # A session of its own: Ctrl-C in the terminal is for us, who know the order of ending.
                start_new_session=True,
            )

    async def ended(self) -> int:
        """Wait until it has ended, and return its exit status."""
        if self._process is None:
            return 0
        return await self._process.wait()

    async def keep(self) -> None:
        """Replace it whenever it dies, until it is told to end. Runs until cancelled."""
        deaths = 0
        while not self._ending:
            since = time.monotonic()
            status = await self.ended()
            if self._ending:
                return
            self._forget_figures()
            deaths = 1 if time.monotonic() - since > STEADY_AFTER else deaths + 1
            wait = full_jitter(deaths, first=RESTART_FIRST, most=RESTART_MOST, chance=random.random())  # noqa: S311
            _log.error("a child died and will be replaced", child=self.role.name, status=status, wait=round(wait, 2))
            await asyncio.sleep(wait)
            if not self._ending:
                try:
                    await self.start()
                except OSError as error:  # no memory, or no process to be had: as if it had died at once
                    _log.error("a child could not be started", child=self.role.name, reason=str(error))

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal that means the end."""
        self._ending = True
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _forget_figures(self) -> None:
        folder = self.role.environment.get(metrics.SHARED_FOLDER)
        if folder is not None and self._process is not None:
            metrics.forget(self._process.pid, folder)

    def kill(self) -> None:
        """End it and what it started, now."""
        self._ending = True
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
