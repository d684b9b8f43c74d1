"""Sends one request at a time to where it may go: resolve, check every address, connect to one of those.

It brings nothing along from one request to the next (no cookies, which two owners at the same host would share), and
nothing from the environment (no proxy, which would do the resolving); it follows no redirect, and asks for answers as
they are: a compressed one can be a thousand times its bytes.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from time import monotonic

import httpx

from polling_api.webhooks.outbound.answers import Answered
from polling_api.webhooks.outbound.connection import Connection, Stale
from polling_api.webhooks.outbound.errors import ForbiddenAddress, Unreached
from polling_api.webhooks.outbound.kept import MOST_KEPT, KeptConnections, Place
from polling_api.webhooks.outbound.networks import Address, rule_against
from polling_api.webhooks.outbound.own_addresses import OwnAddresses
from polling_api.webhooks.outbound.resolving import Lookups, Resolve
from polling_api.webhooks.outbound.urls import Destination, Ports, destination_of

MOST_ADDRESSES = 64  # of one name; the largest real sets have some dozens, and each is checked
MOST_TRIED = 3  # of a name's addresses in one request: one may be down, or of a protocol that we do not have
CONNECT_WITHIN = 4.0  # seconds for one address: two lost packets, and what is left of 15 is enough for another

Connect = Callable[[Place, ssl.SSLContext | None], Awaitable[Connection]]
"""Connects to an address, never to a name; raises `OSError`."""


async def dial(place: Place, tls: ssl.SSLContext | None) -> Connection:
    """Connect over this machine's network.

    Raises:
        OSError: nobody is there, or who is there is not who the name says.
    """
    _, connection = await asyncio.get_running_loop().create_connection(
        Connection, place.address, place.port, ssl=tls, server_hostname=place.name if tls else None
    )
    return connection


class GuardedClient:
    """Sends requests to where they may go, and nowhere else.

    TLS is verified against the url's name.

    Args:
        allow_private: let loopback and private networks through, for development.
        ports: those that may be sent to; None for any.
        resolve: all addresses of a name at this moment, asked at every request.
        own: this machine's addresses, asked at every request.
        tls: how certificates are verified; None for the usual authorities.
        most_kept: idle connections at once.
        connect_within: seconds for an address, where the name has another one.
        connect: what connects to an address; this machine's own network.
    """

    def __init__(
        self,
        *,
        allow_private: bool,
        ports: Ports,
        resolve: Resolve | None = None,
        own: Callable[[], Collection[Address]] | None = None,
        tls: ssl.SSLContext | None = None,
        most_kept: int = MOST_KEPT,
        connect_within: float = CONNECT_WITHIN,
        connect: Connect = dial,
    ) -> None:
        self._allow_private = allow_private
        self._ports = ports
        self._resolve = resolve or Lookups()
        self._own = own or OwnAddresses()
        self._tls = tls or httpx.create_ssl_context()
        self._kept = KeptConnections(most_kept)
        self._connect_within = connect_within
        self._connect = connect

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, by: float | None = None) -> Answered:
        """Send one request, and read its answer. A deadline is the caller's: being cancelled ends the connection.

        Args:
            url: where to.
            headers: beside `Host` and `Content-Length`; ours, without anything in them that others chose.
            body: of the request.
            by: monotonic seconds after which nothing is sent any more; None for no such moment.

        Raises:
            ForbiddenUrl: by the url's form.
            ForbiddenAddress: one of the addresses of its host is none that we send to.
            Unresolved: its name has no address now.
            Unreached: nobody could be reached there.
            Unanswered: nobody answered.
            TimeoutError: it is too late to send.
        """
        destination = destination_of(url, self._ports)
        addresses = (await self._checked(destination))[:MOST_TRIED]
        request = _request(destination, headers, body)
        for number, address in enumerate(addresses, 1):
            place = Place(str(address), destination.port, destination.tls, destination.name)
            try:
                return await self._asked(place, request, by, self._connect_within if number < len(addresses) else None)
            except Unreached:
                if number == len(addresses):
                    raise
        raise AssertionError("there is at least one address")

    def close(self) -> None:
        """End the idle connections."""
        self._kept.end()

    async def _checked(self, destination: Destination) -> Sequence[Address]:
        if destination.address is not None:
            addresses: Sequence[Address] = [destination.address]
        else:
            addresses = await self._resolve(destination.name, destination.port)
        if not 0 < len(addresses) <= MOST_ADDRESSES:
            raise ForbiddenAddress(f"The url's name has none or more than {MOST_ADDRESSES} addresses.")
        own = () if self._allow_private else self._own()
        for address in addresses:  # one bad one is enough: which of them is dialled may not be left to the name's owner
            reason = rule_against(address, allow_private=self._allow_private, own=own)
            if reason is not None:
                raise ForbiddenAddress(f"An address of the url's host is {reason}.")
        return addresses

    async def _asked(self, place: Place, request: bytes, by: float | None, within: float | None) -> Answered:
        kept = self._kept.take(place)
        if kept is not None:
            with suppress(Stale):
                return await self._ask(place, kept, request, by)
        return await self._ask(place, await self._connected(place, within), request, by)

    async def _ask(self, place: Place, connection: Connection, request: bytes, by: float | None) -> Answered:
        if by is not None and monotonic() > by:
            connection.end()
            raise TimeoutError
        answered = await connection.ask(request)
        self._kept.keep(place, connection)
        return answered

    async def _connected(self, place: Place, within: float | None) -> Connection:
        try:
            async with asyncio.timeout(within):
                return await self._connect(place, self._tls if place.tls else None)
        except TimeoutError:
            raise Unreached("no connection in time", hung=True) from None
        except ssl.SSLCertVerificationError:
            raise Unreached("the certificate is not good for the url's name") from None
        except ssl.SSLError:
            raise Unreached("no TLS connection") from None
        except OSError:
            raise Unreached("no connection") from None


def _request(destination: Destination, headers: Mapping[str, str], body: bytes) -> bytes:
    """A whole request (RFC 9112), as one piece: one write, and mostly one packet."""
    lines = [f"POST {destination.target} HTTP/1.1", f"Host: {destination.host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += ["Accept: */*", "Accept-Encoding: identity", f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("ascii") + body
