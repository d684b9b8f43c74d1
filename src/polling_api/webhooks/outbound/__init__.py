"""Requests to addresses that others chose, so that none of them reaches our own network.

A url is checked for its form when it is given to us (`check_url`), and at each try again, with every address that its
name has at that moment (`GuardedClient`): the connection is made to an address that was checked, not to the name.
"""

from polling_api.webhooks.outbound.answers import Answered
from polling_api.webhooks.outbound.client import GuardedClient
from polling_api.webhooks.outbound.errors import (
    Forbidden,
    ForbiddenAddress,
    ForbiddenUrl,
    Unanswered,
    Unreached,
    Unresolved,
)
from polling_api.webhooks.outbound.networks import Address
from polling_api.webhooks.outbound.resolving import Lookups, Resolve
from polling_api.webhooks.outbound.urls import Ports, check_url, destination_of

__all__ = [
    "Address",
    "Answered",
    "Forbidden",
    "ForbiddenAddress",
    "ForbiddenUrl",
    "GuardedClient",
    "Lookups",
    "Ports",
    "Resolve",
    "Unanswered",
    "Unreached",
    "Unresolved",
    "check_url",
    "destination_of",
]
