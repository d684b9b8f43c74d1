"""A server of the default run, and the end it is sure to have."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from polling_api.embedded.account import Account
from polling_api.embedded.errors import EmbeddedError
from polling_api.embedded.folders import FolderLock

_KEEPER = Path(__file__).with_name("keeper.py")
_SETTINGS = "POLLING_"
_KEEPER_MARGIN = 2.0  # seconds beyond the server's own time to end; then the keeper itself hangs
_LOOK_EVERY = 0.02  # seconds between two looks whether a starting server answers


@dataclass(frozen=True, slots=True)
class Recipe:
    """What it takes to start a server, again if need be.

    `ending` holds the signals that end it and the seconds each is given. `scratch` is the folder of its
    socket, gone with it. `ready` answers whether the server of a process id takes connections.
    """

    name: str
    url: str
    where: Path
    command: tuple[str, ...]
    log: Path
    scratch: Path
    ending: tuple[tuple[str, float], ...]
    ready: Callable[[int], bool]
    ready_within: float
    account: Account | None = None


class Server:
    """A running server that ends with this process, even if that is killed.

    Attributes:
        name: for people: `Postgres` or `Redis`.
        url: its address, for clients on this machine.
        where: the folder that holds its data; not below the one asked for where that is closed to the server.
        pid: its process id.

    Raises:
        EmbeddedError: it did not start, or not in time; the message holds the end of its log.
    """

    def __init__(self, recipe: Recipe, *, lock: FolderLock | None = None) -> None:
        self._recipe = recipe
        self._lock = lock
        self.name, self.url, self.where = recipe.name, recipe.url, recipe.where
        self._launch()

    @property
    def alive(self) -> bool:
        """Whether the server still runs."""
        return self._keeper.poll() is None

    def restart(self) -> None:
        """Start a server that has ended again, at the same address.

        Raises:
            EmbeddedError: it does not start.
        """
        if not self.alive:
            self._cut_lifeline()
            self._launch()

    def begin_stop(self) -> None:
        """Ask the server to end, without waiting for it."""
        self._cut_lifeline()

    def stop(self) -> None:
        """End the server and wait until it is gone; may be called twice.

        It is asked first, told then, and killed at last: bounded by the recipe's times and two seconds more.
        """
        self._cut_lifeline()
        try:
            self._keeper.wait(sum(seconds for _, seconds in self._recipe.ending) + _KEEPER_MARGIN)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._keeper.pid, signal.SIGKILL)
            self._keeper.wait()
        shutil.rmtree(self._recipe.scratch, ignore_errors=True)
        if self._lock is not None:
            self._lock.release()

    def _launch(self) -> None:
        recipe = self._recipe
        account = recipe.account and [recipe.account.uid, recipe.account.gid]
        spec = {
            "command": recipe.command,
            "account": account,
            "ending": recipe.ending,
            "scratch": str(recipe.scratch),
        }
        with recipe.log.open("wb") as log:  # begun anew, so that it cannot grow from run to run
            # A session of its own: Ctrl-C in the terminal is for us, and the servers are ended last.
            self._keeper = subprocess.Popen(  # noqa: S603 - our own program; the recipe is ours too
                [sys.executable, "-I", "-S", str(_KEEPER), json.dumps(spec)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd="/",
                # Settings are none of theirs, secrets least of all: who is let into a Postgres as its superuser can
                # have it read its own environment.
                env={name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)},
                start_new_session=True,
            )
        self._lifeline_cut = False
        try:
            self.pid = self._reported_pid()
            self._await_ready()
        except BaseException:
            self.stop()
            raise

    def _reported_pid(self) -> int:
        assert self._keeper.stdout is not None  # noqa: S101 - a pipe was asked for
        with self._keeper.stdout as report:
            readable, _, _ = select.select([report], [], [], self._recipe.ready_within)
            line = report.readline() if readable else b""
        if not line:
            raise self._failure("could not be started")
        return int(line)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + self._recipe.ready_within
        while not self._recipe.ready(self.pid):
            if not self.alive:
                raise self._failure("ended while it started")
            if time.monotonic() > deadline:
                raise self._failure(f"did not answer within {self._recipe.ready_within:g} s")
            time.sleep(_LOOK_EVERY)

    def _failure(self, what: str) -> EmbeddedError:
        told = self._recipe.log.read_text(errors="replace").strip()[-2000:]
        return EmbeddedError(f"The embedded {self.name} {what}. Its log, {self._recipe.log}, ends:\n{told}")

    def _cut_lifeline(self) -> None:
        if not self._lifeline_cut and self._keeper.stdin is not None:
            self._keeper.stdin.close()
        self._lifeline_cut = True
