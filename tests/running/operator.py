"""`polling-api` as an operator runs it, to its end, while the service under test goes on."""

import asyncio
from collections.abc import Mapping

from running.command_line import run_here


async def operator(*arguments: str, settings: Mapping[str, str]) -> str:
    """What a command prints.

    Args:
        arguments: of the command line.
        settings: by name, as in `Settings`.

    Raises:
        AssertionError: it failed; with what it said.
    """
    ran = await asyncio.to_thread(run_here, *arguments, **settings)
    assert ran.status == 0, ran.errors
    return ran.output
