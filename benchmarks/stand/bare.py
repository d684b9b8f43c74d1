"""No HTTP at all: the load generator's own ceiling. Whatever comes is answered with the same bytes.

A path below `/events/` is answered with the beginning of a stream instead, and what is posted goes to all of them.
"""

import asyncio
import sys
from typing import cast

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
STREAM = b'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {"version":1}\n\n'


class Bare(asyncio.Protocol):
    """One connection."""

    streams: "set[asyncio.Transport]" = set()  # noqa: RUF012 - of all connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if data.startswith(b"POST"):
            event = data[data.index(b"\r\n\r\n") + 4 :]
            for stream in Bare.streams:
                stream.write(event)
        if data.startswith(b"GET /events/"):
            Bare.streams.add(self._transport)
        self._transport.write(STREAM if data.startswith(b"GET /events/") else ANSWER)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - whoever hung up
        """See `asyncio.Protocol`."""
        Bare.streams.discard(self._transport)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Bare, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
