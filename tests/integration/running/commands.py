"""The command line, run as a user runs it: in processes of its own, with nothing set but what a test sets."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import httpx
import psutil

READY_WITHIN = 60.0  # seconds, on a machine that is busy with other tests
ENDING_WITHIN = 20.0  # seconds; the drain time is among them
ASK_EVERY = 0.05  # seconds between two looks


class Command:
    """A running `polling-api` command.

    Args:
        arguments: of the command line.
        folder: the folder it is started in, where `.polling-api` will be.
        settings: by name, as `{"port": "8000"}`.
    """

    def __init__(self, arguments: Sequence[str], folder: Path, settings: Mapping[str, str]) -> None:
        self.url = f"http://127.0.0.1:{settings.get('port', '8000')}"
        self._log = folder / f"{'-'.join(arguments)}-{time.monotonic_ns()}.log"
        self._family: list[psutil.Process] = []
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "polling_api", *arguments],
                cwd=folder,
                env=environment(settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def told(self) -> str:
        """All that it wrote."""
        return self._log.read_text()

    def until_ready(self) -> "Command":
        """Wait until its service takes requests.

        Raises:
            AssertionError: it ended, or takes longer than a minute.
        """
        assert until(lambda: self._process.poll() is not None or _is_ready(self.url), READY_WITHIN), self.told()
        assert self._process.poll() is None, self.told()
        return self

    def family(self) -> list[psutil.Process]:
        """It and every process that it has started and that runs."""
        itself = psutil.Process(self._process.pid)
        self._family = [itself, *itself.children(recursive=True)]
        return self._family

    def child(self, word: str) -> psutil.Process:
        """The one process of its family that has this word among its arguments."""
        (found,) = [process for process in self.family() if word in arguments_of(process)]
        return found

    def ended(self) -> int:
        """Wait for its end, and return its exit status (negative: the signal that ended it)."""
        return self._process.wait(READY_WITHIN)

    def end(self, number: signal.Signals) -> int:
        """Send it a signal, and wait for its end."""
        self._process.send_signal(number)
        return self.ended()

    def clean_up(self) -> None:
        """End what a test left running; the rest ends with it, and is killed only if it does not."""
        if self._process.poll() is None:
            self.family()
            self.end(signal.SIGKILL)
        for process in psutil.wait_procs(self._family, ENDING_WITHIN)[1]:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def arguments_of(process: psutil.Process) -> list[str]:
    """The words a process was started with; none if it has ended meanwhile."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Ours without its own settings, so that a test does not depend on who runs it, and with these."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("POLLING_")}
    return inherited | {f"POLLING_{name.upper()}": value for name, value in settings.items()}


def free_port() -> str:
    """A port that was free a moment ago, and none of those that systems give to whoever asks for any."""
    while True:
        port = random.randrange(10_000, 32_000)  # noqa: S311 - so that two runs at once hardly ever pick the same
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return str(port)


def until(condition: Callable[[], bool], within: float) -> bool:
    """Look again and again whether something outside has happened, for so many seconds."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(ASK_EVERY)
    return True


def gone(processes: Sequence[psutil.Process], within: float) -> bool:
    """Whether all of the processes end in so many seconds."""
    return not psutil.wait_procs(processes, within)[1]


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
