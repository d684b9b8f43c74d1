"""One process of the service, started as its supervisor starts it."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from polling_api import metrics

ENDING_WITHIN = 20.0  # seconds; the drain time of most tests is far below
TAIL = 4_000  # bytes of a log that are shown when a start fails


class Child:
    """A process that can be killed, frozen, and started again under the same address.

    It ends by itself when the tests' own process does: its standard input is a pipe that only we hold open.

    Args:
        name: as the log file is called.
        command: of `polling-api`.
        environment: the whole of it.
        log: a file, appended to.
        port: to listen on, 0 for any free one, None for a process that does not listen.
    """

    def __init__(
        self, name: str, command: str, environment: Mapping[str, str], log: Path, port: int | None = None
    ) -> None:
        self.name = name
        self.log = log
        self.port = port
        self.environment = dict(environment)
        self._command = command
        self._listener: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """The address it listens on; fixed from `bind` on."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process id, of the last start."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    def bind(self) -> None:
        """Take the address, so that no other process can, and it is known before the start."""
        if self.port is not None and self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=2048)
            self.port = self._listener.getsockname()[1]

    async def start(self) -> None:
        """Start it; returns before it is ready."""
        self.bind()
        inherits = () if self._listener is None else (self._listener.fileno(),)
        descriptor = [f"--fd={number}" for number in inherits]
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "polling_api",
                self._command,
                "--lifeline",
                *descriptor,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self.environment,
                pass_fds=inherits,
                start_new_session=True,
            )
        if self._listener is not None:
            # Its own from now on: while we held it too, connections to a dead process would wait in the backlog.
            self._listener.close()
            self._listener = None

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal, if it still runs."""
        if self.running:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def ended(self, within: float = ENDING_WITHIN) -> int:
        """Wait for its end, and return its exit status (negative: the signal that ended it).

        Raises:
            TimeoutError: it still runs.
        """
        assert self._process is not None, f"{self.name} was never started"
        async with asyncio.timeout(within):
            status = await self._process.wait()
        self._forget_figures()
        return status

    async def stop(self) -> None:
        """End it in good order, or by force after 20 s; it may be frozen, or have ended before."""
        if self._listener is not None:
            self._listener.close()
        if self._process is None:
            return
        self.kill(signal.SIGCONT)
        self.kill(signal.SIGTERM)
        try:
            await self.ended()
        except TimeoutError:
            self.kill()
            await self.ended()

    def memory(self) -> int:
        """Bytes of memory that are its alone (unique set size)."""
        return psutil.Process(self.pid).memory_full_info().uss

    def _forget_figures(self) -> None:
        """As the supervisor does: what a dead process held is not held any more."""
        folder = self.environment.get(metrics.SHARED_FOLDER)
        if folder is not None:
            metrics.forget(self.pid, folder)

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_bytes()[-TAIL:].decode(errors="replace") if self.log.exists() else "(no log)"
