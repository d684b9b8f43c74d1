"""Which hosts this service answers for: a page whose name was rebound to this address must not be let in."""

import re
from collections.abc import Iterable
from functools import lru_cache

# A name, an IPv4 address or a bracketed IPv6 address, and a port (RFC 9110, section 7.2).
AUTHORITY = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::[0-9]{0,5})?")


class AllowedHosts:
    """The names that a request's `Host` may have, with any port.

    Args:
        names: names and addresses; `*` among them allows all.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(map(_name_of, names))
        self._all = "*" in self._names

    def allow(self, host: str | None) -> bool:
        """Whether a request with this `Host` is answered; one without claims nothing, and comes from no browser."""
        return self._all or host is None or _name_of(host) in self._names


@lru_cache(maxsize=64)  # a service is known by few names; what clients make up is forgotten soon
def _name_of(authority: str) -> str:
    name, colon, port = authority.rpartition(":")
    if not colon or "]" in port:
        name = authority
    elif ":" in name and "]" not in name:  # an IPv6 address as settings may have it, without brackets
        name = f"[{authority}]"
    return name.lower().removesuffix(".")


EVERY_HOST = AllowedHosts(["*"])
