"""Calls that go to one worker, or to the next where nobody listens, as behind a load balancer."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import httpx

from faulting.verdict import SLOW


class Balancer:
    """Asks workers.

    Args:
        client: by which they are asked.
        urls: of all of them.
    """

    def __init__(self, client: httpx.AsyncClient, urls: Sequence[str]) -> None:
        self._client = client
        self._urls = urls

    async def ask(self, first: str, method: str, path: str, **sent: Any) -> httpx.Response | None:
        """Ask a worker, or the next where nobody listens; None where an answer was cut or late."""
        at = self._urls.index(first)
        for url in [*self._urls[at:], *self._urls[:at]]:
            with suppress(httpx.ConnectError):
                try:
                    return await self._client.request(method, f"{url}{path}", timeout=SLOW, **sent)
                except (httpx.TimeoutException, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
                    return None
        return None
