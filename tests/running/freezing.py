"""A server that is stopped by its signal: it answers nothing, not even with an error."""

import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress

import psutil

from polling_api.embedded import Server


@contextmanager
def frozen(server: Server) -> Generator[None]:
    """Stop a server with all its processes for the time of a block, in which it may be killed."""
    first = psutil.Process(server.pid)
    processes = [first, *first.children(recursive=True)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # some of Postgres's end by themselves
            process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)
