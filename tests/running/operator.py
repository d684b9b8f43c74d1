"""`polling-api` as an operator runs it, to its end."""

import asyncio
import os
import sys
from collections.abc import Mapping


async def operator(*arguments: str, settings: Mapping[str, str]) -> str:
    """What a command prints.

    Args:
        arguments: of the command line.
        settings: by name, as in `Settings`.

    Raises:
        AssertionError: it failed; with what it said.
    """
    named = {f"POLLING_{name.upper()}": value for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "polling_api", *arguments),
        env={**os.environ, **named, "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, complaint = await process.communicate()
    assert process.returncode == 0, complaint
    return told.decode()
