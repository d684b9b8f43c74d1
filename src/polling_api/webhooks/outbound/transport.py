"""The transport under every request to an address that others chose: resolve, check every address, connect to one."""

import ssl
from collections.abc import AsyncIterator, Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from typing import cast

import httpcore
import httpx

from polling_api.webhooks.outbound.errors import ForbiddenAddress
from polling_api.webhooks.outbound.networks import Address, rule_against
from polling_api.webhooks.outbound.own_addresses import own_addresses
from polling_api.webhooks.outbound.pinned import PinnedBackend, pinned_host
from polling_api.webhooks.outbound.resolving import Lookups, Resolve
from polling_api.webhooks.outbound.urls import Destination, Ports, destination_of

MOST_ADDRESSES = 64  # of one name; the largest real sets have some dozens, and each is checked
MOST_TRIED = 3  # of a name's addresses in one request: one may be down, or of a protocol that we do not have
KEEP_IDLE = 15.0  # seconds; receivers close idle connections after some more
LIMITS = httpx.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=KEEP_IDLE)

_ERRORS: dict[type[Exception], type[httpx.TransportError]] = {
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.WriteTimeout: httpx.WriteTimeout,
    httpcore.PoolTimeout: httpx.PoolTimeout,
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.ReadError: httpx.ReadError,
    httpcore.WriteError: httpx.WriteError,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
}


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends requests to where they may go, and nowhere else.

    TLS is verified against the url's name. Timeouts are those of the request, each for one phase: a deadline for the
    whole is the caller's. What is raised beside httpx's own errors is `Forbidden` and `Unresolved`.

    Args:
        allow_private: let loopback and private networks through, for development.
        ports: those that may be sent to; None for any.
        resolve: all addresses of a name at this moment, asked at every request.
        own: this machine's addresses at this moment, asked at every request.
        tls: how certificates are verified; None for the usual authorities.
        limits: bounds of connections, of all receivers together.
        network: what connects to an address; None for this machine's own.
    """

    def __init__(
        self,
        *,
        allow_private: bool,
        ports: Ports,
        resolve: Resolve | None = None,
        own: Callable[[], Collection[Address]] = own_addresses,
        tls: ssl.SSLContext | None = None,
        limits: httpx.Limits = LIMITS,
        network: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._ports = ports
        self._resolve = resolve or Lookups()
        self._own = own
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or httpx.create_ssl_context(),
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=PinnedBackend(network or cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request.

        Raises:
            ForbiddenUrl: by the url's form.
            ForbiddenAddress: one of the addresses of its host is none that we send to.
            Unresolved: its name has no address now.
            httpx.TransportError: it could not be sent, or was not answered.
        """
        destination = destination_of(request.url, self._ports)
        addresses = await self._checked(destination)
        with _errors_translated():
            answer = await self._first_reached(request, destination, addresses[:MOST_TRIED])
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer))

    async def aclose(self) -> None:
        """Give back the connections."""
        await self._pool.aclose()

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

    async def _first_reached(
        self, request: httpx.Request, destination: Destination, addresses: Sequence[Address]
    ) -> httpcore.Response:
        for address in addresses[:-1]:
            try:
                return await self._sent(request, destination, address)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue  # nothing of the request has left
        return await self._sent(request, destination, addresses[-1])

    async def _sent(self, request: httpx.Request, destination: Destination, address: Address) -> httpcore.Response:
        return await self._pool.handle_async_request(
            httpcore.Request(
                request.method,
                httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=pinned_host(str(address), destination.name).encode(),
                    port=destination.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions={**request.extensions, "sni_hostname": destination.name},
            )
        )


class _Body(httpx.AsyncByteStream):
    """The body of an answer, read as it comes."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _errors_translated():
            async for part in self._answer.aiter_stream():
                yield part

    async def aclose(self) -> None:
        await self._answer.aclose()


@contextmanager
def _errors_translated() -> Generator[None]:
    try:
        yield
    except tuple(_ERRORS) as error:
        raise _ERRORS[type(error)](str(error)) from error
