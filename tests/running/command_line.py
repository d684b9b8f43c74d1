"""The command line within this process, where what a command says and does is the subject, and not its process.

An interpreter that loads the service takes a second or more of a core, a hundred times what the command itself takes.
"""

import logging
import os
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import structlog
from typer.testing import CliRunner

from polling_api.__main__ import app


class Ran:
    """A command that has ended.

    Args:
        status: it ended with.
        output: what it wrote to standard output.
        errors: what it wrote to standard error.
        both: all of it, in order.
    """

    def __init__(self, status: int, output: str, errors: str, both: str) -> None:
        self.status = status
        self.output = output
        self.errors = errors
        self._both = both

    def ended(self) -> int:
        """Its exit status, as a process would tell it."""
        return self.status

    def told(self) -> str:
        """All that it wrote."""
        return self._both


def run_here(*arguments: str, **settings: str) -> Ran:
    """Run a command with nothing set but these settings.

    Args:
        arguments: of the command line.
        settings: by name, as `{"database_url": "postgresql://…"}`.

    Raises:
        Exception: the command let it through, and would have ended with a traceback.
    """
    # A thread of its own, since commands begin an event loop, of which a thread has but one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_run, arguments, settings).result()


def _run(arguments: tuple[str, ...], settings: dict[str, str]) -> Ran:
    unset = {name: None for name in os.environ if name.startswith("POLLING_")}
    given = {f"POLLING_{name.upper()}": value for name, value in settings.items()}
    with _logging_as_before():
        result = CliRunner().invoke(app, arguments, env={**unset, **given, "COLUMNS": "200"})  # no line is cut
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr, result.output)


@contextmanager
def _logging_as_before() -> Generator[None]:
    """Take back how a command has set up logging: it writes to streams that are gone with the command."""
    root, configured, told_last = logging.getLogger(), structlog.get_config(), sys.excepthook
    handlers, level, configure = root.handlers[:], root.level, structlog.configure

    def configure_uncached(**how: Any) -> None:
        """A logger that keeps how it was set up once would keep it for the tests that follow."""
        how["cache_logger_on_first_use"] = False
        configure(**how)

    try:
        with patch.object(structlog, "configure", configure_uncached):
            yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        configure(**configured)
        sys.excepthook = told_last
