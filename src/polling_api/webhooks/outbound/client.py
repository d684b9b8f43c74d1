"""Sends one request at a time to where it may go: resolve, check every address, connect to one of those.

It brings nothing along from one request to the next (no cookies, which two owners at the same host would share), and
nothing from the environment (no proxy, which would do the resolving); it follows no redirect, and asks for answers as
they are: a compressed one can be a thousand times its bytes.
"""

import asyncio
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import cast

import httpcore
import httpx

from polling_api.webhooks.outbound.answers import Answered, read_answer
from polling_api.webhooks.outbound.errors import Disconnected, ForbiddenAddress, Unanswered, Unreached
from polling_api.webhooks.outbound.kept import MOST_KEPT, KeptConnections, Place
from polling_api.webhooks.outbound.networks import Address, rule_against
from polling_api.webhooks.outbound.own_addresses import OwnAddresses
from polling_api.webhooks.outbound.resolving import Lookups, Resolve
from polling_api.webhooks.outbound.urls import Destination, Ports, destination_of

MOST_ADDRESSES = 64  # of one name; the largest real sets have some dozens, and each is checked
MOST_TRIED = 3  # of a name's addresses in one request: one may be down, or of a protocol that we do not have
CONNECT_WITHIN = 4.0  # seconds for one address: two lost packets, and what is left of 15 is enough for another


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
        network: what connects to an address, never to a name; this machine's own.
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
        network: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._ports = ports
        self._resolve = resolve or Lookups()
        self._own = own or OwnAddresses()
        self._tls = tls or httpx.create_ssl_context()
        self._kept = KeptConnections(most_kept)
        self._connect_within = connect_within
        self._network = network or cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

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
        for number, address in enumerate(addresses, 1):
            place = Place(str(address), destination.port, destination.tls, destination.name)
            request = _request(place, destination, headers, body)
            try:
                return await self._asked(place, request, by, self._connect_within if number < len(addresses) else None)
            except Unreached:
                if number == len(addresses):
                    raise
        raise AssertionError("there is at least one address")

    async def close(self) -> None:
        """End the idle connections."""
        await self._kept.end()

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

    async def _asked(self, place: Place, request: httpcore.Request, by: float | None, within: float | None) -> Answered:
        kept = await self._kept.take(place)
        if kept is not None:
            with suppress(Disconnected):  # it had ended before the request came, as far as can be told
                return await self._ask(place, kept, request, by)
        return await self._ask(place, await self._connected(place, within), request, by)

    async def _ask(
        self, place: Place, connection: httpcore.AsyncHTTP11Connection, request: httpcore.Request, by: float | None
    ) -> Answered:
        if by is not None and monotonic() > by:
            await connection.aclose()
            raise TimeoutError
        try:
            answered = await read_answer(await connection.handle_async_request(request))
        except httpcore.ReadError:
            raise Disconnected("the connection broke") from None
        except httpcore.RemoteProtocolError as error:
            if error.__cause__ is None:  # it was closed, and no head had come
                raise Disconnected("the connection broke") from None
            raise Unanswered("the answer is no HTTP, or breaks off") from None
        await self._kept.keep(place, connection)
        return answered

    async def _connected(self, place: Place, within: float | None) -> httpcore.AsyncHTTP11Connection:
        try:
            async with asyncio.timeout(within):
                stream = await self._network.connect_tcp(place.address, place.port)
                if place.tls:
                    stream = await self._secured(stream, place.name)
        except TimeoutError:
            raise Unreached("no connection in time", hung=True) from None
        except httpcore.ConnectError as error:
            raise Unreached(_reason(error.__cause__)) from None
        return httpcore.AsyncHTTP11Connection(place.origin, stream)

    async def _secured(self, stream: httpcore.AsyncNetworkStream, name: str) -> httpcore.AsyncNetworkStream:
        try:
            return await stream.start_tls(self._tls, name)
        except BaseException:
            await stream.aclose()
            raise


def _reason(error: BaseException | None) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "the certificate is not good for the url's name"
    return "no TLS connection" if isinstance(error, ssl.SSLError) else "no connection"


def _request(place: Place, destination: Destination, headers: Mapping[str, str], body: bytes) -> httpcore.Request:
    sent = {"Host": destination.host, **headers, "Accept": "*/*", "Accept-Encoding": "identity"}
    sent["Content-Length"] = str(len(body))
    url = httpcore.URL(
        scheme=place.scheme, host=place.address.encode(), port=place.port, target=destination.target.encode("ascii")
    )
    return httpcore.Request("POST", url, headers=list(sent.items()), content=body)
