"""This machine's own addresses."""

import socket
from collections.abc import Callable
from ipaddress import ip_address
from time import monotonic

import psutil

from polling_api.webhooks.outbound.networks import Address

KNOWN_FOR = 5.0  # seconds: asking takes as long as sending, and addresses of a machine come and go by hand

_FAMILIES = {socket.AF_INET, socket.AF_INET6}


def present_addresses() -> frozenset[Address]:
    """The addresses of all interfaces now; those that a router in front of this machine gives it are not among them."""
    return frozenset(
        ip_address(place.address.partition("%")[0])
        for places in psutil.net_if_addrs().values()
        for place in places
        if place.family in _FAMILIES
    )


class OwnAddresses:
    """This machine's addresses, as they were some seconds ago at most.

    Args:
        look: finds them.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        look: Callable[[], frozenset[Address]] = present_addresses,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._look = look
        self._clock = clock
        self._known = frozenset[Address]()
        self._until = float("-inf")

    def __call__(self) -> frozenset[Address]:
        """They themselves."""
        now = self._clock()
        if now >= self._until:
            self._known, self._until = self._look(), now + KNOWN_FOR
        return self._known
