"""What the service is measured against: servers that do less, or do it otherwise, in the same run on the same core."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

import psutil

from stand.service import free_port, program, until_ready


class Anchor(NamedTuple):
    """A server that runs."""

    url: str
    process: psutil.Process


@asynccontextmanager
async def anchor(module: str, settings: Mapping[str, str] | None = None) -> AsyncGenerator[Anchor]:
    """A server for as long as the block runs.

    Args:
        module: one that listens on the port it is given: `stand.raw_asgi`, `stand.prebuilt`, `stand.bare`, …
        settings: see `program`.
    """
    port = free_port()
    async with program(["-m", module, str(port)], settings) as process:
        url = f"http://127.0.0.1:{port}"
        await until_ready(f"{url}/ready")
        yield Anchor(url, psutil.Process(process.pid))
