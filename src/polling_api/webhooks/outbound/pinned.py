"""Connections to an address that was checked, in the name of a host.

A pool tells connections apart by the host of their requests. Here it is address and name together: a kept connection is
so used again only by a request whose name led to that very address a moment ago, and never for another name at the same
address, for which its certificate was not verified.
"""

from collections.abc import Iterable

import httpcore

_BETWEEN = "/"  # in neither a name nor an address


def pinned_host(address: str, name: str) -> str:
    """What stands as the host of a request to the pool."""
    return f"{address}{_BETWEEN}{name}"


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """Connects to the address of a pinned host; no name is ever resolved here.

    Args:
        network: what makes the connections.
    """

    def __init__(self, network: httpcore.AsyncNetworkBackend) -> None:
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the seam's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to `host`, as `pinned_host` made it, within `timeout` seconds."""
        address = host.partition(_BETWEEN)[0]
        return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await self._network.sleep(seconds)
