"""This machine's own addresses."""

import socket
from ipaddress import ip_address

import psutil

from polling_api.webhooks.outbound.networks import Address

_FAMILIES = {socket.AF_INET, socket.AF_INET6}


def own_addresses() -> frozenset[Address]:
    """The addresses of all interfaces now; those that a router in front of this machine gives it are not among them."""
    return frozenset(
        ip_address(place.address.partition("%")[0])
        for places in psutil.net_if_addrs().values()
        for place in places
        if place.family in _FAMILIES
    )
