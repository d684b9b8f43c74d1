"""Requests to addresses that others chose, so that none of them reaches our own network.

A url is checked for its form when it is given to us (`check_url`), and at each try again, with every address that its
name has at that moment (`GuardedTransport`): the connection is made to an address that was checked, not to the name.
"""

from polling_api.webhooks.outbound.client import guarded_client
from polling_api.webhooks.outbound.errors import Forbidden, ForbiddenAddress, ForbiddenUrl, Unresolved
from polling_api.webhooks.outbound.networks import Address
from polling_api.webhooks.outbound.resolving import Lookups, Resolve
from polling_api.webhooks.outbound.transport import GuardedTransport
from polling_api.webhooks.outbound.urls import Ports, check_url

__all__ = [
    "Address",
    "Forbidden",
    "ForbiddenAddress",
    "ForbiddenUrl",
    "GuardedTransport",
    "Lookups",
    "Ports",
    "Resolve",
    "Unresolved",
    "check_url",
    "guarded_client",
]
