"""A Postgres that is stopped, and answers nothing, not even with an error."""

import signal
from collections.abc import Generator
from contextlib import contextmanager

import psutil

from polling_api.embedded import Server


@contextmanager
def frozen(server: Server) -> Generator[None]:
    """Stop every process of a server for the length of the block."""
    postmaster = psutil.Process(server.pid)
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)
