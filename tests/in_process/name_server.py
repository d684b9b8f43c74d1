"""A DNS server on loopback (RFC 1035), and the system's own resolver pointed at it."""

import asyncio
import ctypes
import platform
import socket
import struct
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

from polling_api.webhooks.outbound import Lookups
from polling_api.webhooks.outbound.resolving import addresses_by_system

A, CNAME, AAAA = 1, 5, 28
HEAD = struct.Struct(">HHHHHH")
ANSWERED, RECORD, INTERNET = 0x8180, struct.Struct(">HHIH"), 1
LOOPBACK = bytes([127, 0, 0, 1])
THE_NAME = b"\xc0\x0c"  # a pointer to the question's
AS_IN_GLIBC = platform.libc_ver()[0] == "glibc" and ctypes.sizeof(ctypes.c_void_p) == 8

Answers = dict[str, list[Sequence[str]]]
"""For each name what it leads to, one answer after the other, the last one for ever: addresses, and other names."""


class NameServer(asyncio.DatagramProtocol):
    """Answers with a time to live of nothing.

    Attributes:
        asked: names and types, in order.
    """

    def __init__(self, answers: Answers) -> None:
        self.asked: list[tuple[str, int]] = []
        self._left = {name: list(given) for name, given in answers.items()}
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one question; about a name that it does not know it says nothing at all."""
        number, *_ = HEAD.unpack_from(data)
        name, end = _name_in(data)
        kind = int.from_bytes(data[end : end + 2], "big")
        self.asked.append((name, kind))
        if name in self._left:
            records = self._records(name, kind)
            head = HEAD.pack(number, ANSWERED, 1, len(records), 0, 0)
            self._transport.sendto(head + data[HEAD.size : end + 4] + b"".join(records), addr)

    def times_asked(self, name: str, kind: int = A) -> int:
        """How often."""
        return self.asked.count((name, kind))

    def _records(self, name: str, kind: int) -> list[bytes]:
        # Both kinds are asked for at once: the answer moves on with the addresses of IPv4.
        answers = self._left[name]
        leads_to = answers.pop(0) if kind == A and len(answers) > 1 else answers[0]
        return [record for place in leads_to for record in _records_of(place, kind)]


def _records_of(place: str, kind: int) -> list[bytes]:
    if place.endswith("."):  # another name, whose address is loopback's
        alias = b"".join(bytes([len(label)]) + label.encode() for label in place.split("."))
        told = [_record(THE_NAME, CNAME, alias)]
        return [*told, _record(alias, A, LOOPBACK)] if kind == A else told
    address = ip_address(place)
    fits = (address.version == 4) == (kind == A)
    return [_record(THE_NAME, kind, address.packed)] if fits else []


def _record(owner: bytes, kind: int, value: bytes) -> bytes:
    return owner + RECORD.pack(kind, INTERNET, 0, len(value)) + value


def _name_in(question: bytes) -> tuple[str, int]:
    labels, at = list[str](), HEAD.size
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode())
        at += length + 1
    return ".".join(labels), at + 1


class _ResolverState(ctypes.Structure):
    """The beginning of glibc's `struct __res_state` (`resolv.h`), which each thread has one of."""

    _fields_ = (
        ("retrans", ctypes.c_int),
        ("retry", ctypes.c_int),
        ("options", ctypes.c_ulong),
        ("nscount", ctypes.c_int),
        ("nsaddr", ctypes.c_ubyte * 16),
    )


def lookups_at(port: int, *, within: float = 5.0) -> Lookups:
    """`Lookups` as the service has them, by `getaddrinfo`, whose resolver asks a server on a port of loopback."""
    library = ctypes.CDLL(None)
    library.__res_state.restype = ctypes.POINTER(_ResolverState)

    def ask(name: str, its_port: int) -> list[str]:
        library.__res_init()
        state = library.__res_state().contents
        state.retrans = state.retry = state.nscount = 1
        state.nsaddr[:8] = struct.pack("=H", socket.AF_INET) + struct.pack(">H", port) + LOOPBACK
        return addresses_by_system(name, its_port)

    return Lookups(within=within, ask=ask)


@asynccontextmanager
async def name_server(answers: Answers) -> AsyncGenerator[tuple[NameServer, Lookups]]:
    """A server for the time of a test, and what asks it."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: NameServer(answers), local_addr=("127.0.0.1", 0))
    try:
        yield server, lookups_at(transport.get_extra_info("sockname")[1])
    finally:
        transport.close()
