"""What a name leads to now, by the system's resolver, in bounded time and without holding up anything else.

`loop.getaddrinfo` would run in threads that all share (the default executor's, or the four of uvloop), and a name whose
servers are silent holds one for up to half a minute, also when nobody waits for it any more: a few such names, and
nothing else is resolved. So these are threads of their own, bounded, and none that the end of the process waits for.
"""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address

from polling_api.webhooks.outbound.errors import Unresolved
from polling_api.webhooks.outbound.networks import Address

WITHIN = 5.0  # seconds; a resolver's own first timeout, after which it asks another server
# Lookups, each a thread while it lasts. One that is given up goes on for up to half a minute: an owner of silent names
# alone, who may have 32 requests under way, can hold some 200, and others still have room.
AT_ONCE = 256

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]  # of a name and a port; raises Unresolved


def addresses_by_system(name: str, port: int) -> list[str]:
    """Ask the system's resolver, and wait as long as it does.

    Raises:
        OSError: there is no answer, or none that helps.
        UnicodeError: the name cannot be asked for.
    """
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(place[0]) for *_, place in found]


class Lookups:
    """A `Resolve` that asks in threads. Nothing is kept from one call to the next.

    Args:
        within: seconds for one, waiting for a free thread included.
        at_once: lookups under way, those that were given up included.
        ask: what blocks until it has the addresses of a name.
    """

    def __init__(
        self,
        *,
        within: float = WITHIN,
        at_once: int = AT_ONCE,
        ask: Callable[[str, int], list[str]] = addresses_by_system,
    ) -> None:
        self._within = within
        self._slots = asyncio.Semaphore(at_once)
        self._ask = ask

    async def __call__(self, name: str, port: int) -> Sequence[Address]:
        """All addresses of a name, in the order in which they should be tried (RFC 6724).

        Raises:
            Unresolved: there is none, or nobody said in time.
        """
        try:
            async with asyncio.timeout(self._within):
                await self._slots.acquire()
                return [ip_address(text) for text in await self._begin(name, port)]
        except TimeoutError:
            raise Unresolved("The url's name was not resolved in time.") from None
        except (OSError, UnicodeError):
            raise Unresolved("The url's name has no address.") from None

    def _begin(self, name: str, port: int) -> asyncio.Future[list[str]]:
        """Ask in a thread that gives its slot back when it ends, which may be long after anybody waits for it."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[str]] = loop.create_future()

        def end(found: list[str] | Exception) -> None:
            self._slots.release()
            if answer.done():  # given up
                return
            if isinstance(found, Exception):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def look() -> None:
            try:
                found: list[str] | Exception = self._ask(name, port)
            except (OSError, UnicodeError) as error:
                found = error
            with suppress(RuntimeError):  # the loop is over, and with it whoever asked
                loop.call_soon_threadsafe(end, found)

        threading.Thread(target=look, name="lookup", daemon=True).start()
        return answer
