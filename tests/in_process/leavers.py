"""Very many clients who come, ask, and are gone: in a thread, so that the server's own loop has no part in it."""

import asyncio
import socket
import struct
from collections.abc import Sequence
from itertools import cycle, islice
from typing import NamedTuple

PATIENCE = 30.0  # seconds for an answer
_RESET = struct.pack("ii", 1, 0)  # the connection is gone without a farewell


class Asked(NamedTuple):
    """The bytes that are sent, and whether something comes back at once."""

    request: bytes
    told: bool


async def come_and_go(port: int, asked: Sequence[Asked], count: int, at_once: int) -> None:
    """Have so many clients ask one thing each, on a connection of its own, and leave.

    Some leave as soon as they have been told something, some before, with and without a farewell.

    Args:
        port: of the server, on this machine.
        asked: what is asked, one after the other.
        count: how many clients.
        at_once: how many of them are there together.
    """
    await asyncio.to_thread(_come_and_go, port, asked, count, at_once)


def _come_and_go(port: int, asked: Sequence[Asked], count: int, at_once: int) -> None:
    turns = islice(enumerate(cycle(asked)), count)
    while some := list(islice(turns, at_once)):
        connections = [_ask(port, one.request) for _, one in some]
        for (number, one), connection in zip(some, connections, strict=True):
            turn = number // len(asked)
            if one.told and turn % 2:
                connection.recv(1024)
            if turn % 3:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            connection.close()


def _ask(port: int, request: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
    connection.sendall(request)
    return connection
