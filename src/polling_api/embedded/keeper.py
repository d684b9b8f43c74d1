"""Holds one server's life to that of the process that wanted it.

A program of its own, run as `python -I -S keeper.py SPEC`: it outlives a SIGKILL of the service. It starts
the server, prints its process id, and waits on standard input, a pipe whose other end only the service holds.
When that end closes, on purpose or because the service died, the server is ended, patiently first.

A process between, and not PR_SET_PDEATHSIG: that is Linux alone, is tied to the thread that forked, and is
forgotten when the server's account changes. And as the server's parent it can signal it without fear of
hitting another process that got the same number.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from typing import Any

LIFELINE = 0  # standard input
MASK = 0o077  # what the servers write is nobody else's to read


def main() -> int:
    """Run the server of the JSON in the first argument until it ends or the lifeline is cut.

    Its keys: `command`, `account` (`[uid, gid]` or null), `ending` (signals and the seconds each is given,
    before SIGKILL), `scratch` (a folder to remove once the server was ended from here).
    """
    spec: dict[str, Any] = json.loads(sys.argv[1])
    child_ended = _notice_children()
    server = subprocess.Popen(  # noqa: S603 - the command is the one that the service was asked to keep
        spec["command"], stdin=subprocess.DEVNULL, stdout=2, cwd="/", umask=MASK, **_as(spec["account"])
    )
    # Only now: what is ignored stays ignored in a child. A signal to the whole group, or to everything at a
    # machine's shutdown, must not end the keeper before its server.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with os.fdopen(1, "w") as report:
        report.write(f"{server.pid}\n")
    while server.poll() is None:
        ready, _, _ = select.select([LIFELINE, child_ended], [], [])
        if LIFELINE in ready:
            _end(server, spec["ending"])
            shutil.rmtree(spec["scratch"], ignore_errors=True)
        else:
            os.read(child_ended, 64)
    return server.returncode


def _notice_children() -> int:
    """A descriptor that becomes readable when a child ends."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


def _as(account: list[int] | None) -> dict[str, Any]:
    return {"user": account[0], "group": account[1], "extra_groups": []} if account else {}


def _end(server: "subprocess.Popen[Any]", ending: list[tuple[str, float]]) -> None:
    for name, seconds in ending:
        server.send_signal(signal.Signals[name])
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(seconds)
            return
    server.kill()
    server.wait()


if __name__ == "__main__":
    sys.exit(main())
