"""Clients that send over a network in which every address is this machine."""

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from in_process.receiving import Wires
from polling_api.webhooks.outbound import GuardedClient, Resolve

WEB = frozenset({80, 443})
USUAL = ssl.create_default_context()  # made once: reading all authorities takes a tenth of a second


@asynccontextmanager
async def sending(
    resolve: Resolve, network: Wires, *, allow_private: bool = False, **options: Any
) -> AsyncGenerator[GuardedClient]:
    """A client for the time of a test."""
    options = {"tls": USUAL, **options}
    client = GuardedClient(allow_private=allow_private, ports=WEB, resolve=resolve, network=network, **options)
    try:
        yield client
    finally:
        await client.close()


async def post(client: GuardedClient, url: str) -> int:
    """Send something; answers the status."""
    return (await client.post(url, {}, b"")).status_code
