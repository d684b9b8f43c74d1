"""Whose request it is, seen from the network (RFC 7239, and `X-Forwarded-For` as proxies write it).

The peer is the caller, unless it is a proxy that is trusted. Then the headers are read from right to left: each entry
was written by the hop to its right, so it is believed as long as that hop is trusted. What cannot be read ends the
walk, at the last hop that is sure: a caller can so make itself count as its proxy, and never as somebody else.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]

UNIX = "unix"  # a peer on a Unix socket, and how such peers are trusted

_MOST_PEERS = 8192  # addresses that are remembered: those of the callers of now
_MOST_HOPS = 16  # more are no proxies, but somebody who fills a header
_LONGEST = 64  # characters of an address: 45, and the zone of one that is of a link alone
_SITE_BITS = 64  # what one subscriber has of IPv6, and can change addresses in at will

# RFC 7239, section 4: `token=value` divided by `;`, elements by `,`; values are tokens or quoted strings.
_PAIR = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[!#$%&\'*+.^_`|~0-9A-Za-z:\[\]-]*)\s*')
_PORT = re.compile(r"[0-9]{1,5}|_[A-Za-z0-9._-]+")  # section 6.3: a number or an obfuscated one


class Proxies:
    """The peers that are believed.

    Args:
        trusted: CIDRs and single addresses; `unix` for peers on Unix sockets.

    Raises:
        ValueError: one of them is neither.
    """

    def __init__(self, trusted: Iterable[str]) -> None:
        names = list(trusted)
        self.trust_peer = lru_cache(_MOST_PEERS)(self._trust_peer)  # asked at each connection; it takes 5 µs
        self.unix = UNIX in names
        self._networks: Networks = tuple(ip_network(name) for name in names if name != UNIX)

    def __bool__(self) -> bool:
        return self.unix or bool(self._networks)

    def trust(self, address: Address) -> bool:
        """Whether what `address` says is believed."""
        return any(address in network for network in self._networks)

    def _trust_peer(self, host: str | None) -> bool:
        """Whether what the peer `host` says is believed; None or empty is a peer on a Unix socket."""
        if not host:
            return self.unix
        address = _parsed(host)
        return address is not None and self.trust(address)


def address_of(peer: str | None, forwarded: Sequence[bytes], forwarded_for: Sequence[bytes], proxies: Proxies) -> str:
    """The address that a request counts against: an IPv4 address, an IPv6 network of 64 bits, or `unix`.

    Args:
        peer: the host that the connection comes from; None or empty on a Unix socket.
        forwarded: the values of `Forwarded` headers, in their order.
        forwarded_for: the values of `X-Forwarded-For` headers, in their order.
        proxies: those that are believed.
    """
    if not proxies or not (forwarded or forwarded_for):
        return site_of(peer)
    if not proxies.trust_peer(peer):
        return site_of(peer)
    first = _parsed(peer) if peer else None
    told = [_walk(first, hops, proxies) for hops in (_hops_forwarded(forwarded), _hops_plain(forwarded_for)) if hops]
    # A proxy writes one of the two headers and may pass the other on as it came. Where they differ, either may be
    # the caller's own invention: then it counts as its proxy.
    agreed = told[0] if told and all(one == told[0] for one in told) else first
    return UNIX if agreed is None else _site(agreed)


@lru_cache(_MOST_PEERS)  # reading an address takes 3 µs
def site_of(host: str | None) -> str:
    """The address that `host` counts against; what is no address, as it is."""
    if not host:
        return UNIX
    address = _parsed(host)
    return host if address is None else _site(address)


def _site(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address), _SITE_BITS), strict=False))


def _walk(peer: Address | None, hops: Sequence[str | None], proxies: Proxies) -> Address | None:
    """The last address, from right to left, that a trusted hop names."""
    sure = peer
    for hop in list(reversed(hops))[:_MOST_HOPS]:
        address = None if hop is None else _node(hop)
        if address is None:
            return sure
        sure = address
        if not proxies.trust(address):
            return sure
    return sure


def _hops_plain(values: Sequence[bytes]) -> list[str | None]:
    return [hop.strip() for value in values for hop in value.decode("latin-1").split(",")]


def _hops_forwarded(values: Sequence[bytes]) -> list[str | None]:
    """The `for` of each element; None where it has none, or cannot be read."""
    return [_for_of(element) for value in values for element in _elements(value.decode("latin-1"))]


def _elements(text: str) -> list[list[tuple[str, str]] | None]:
    """The elements of a `Forwarded` header.

    What is not well formed makes all of it unreadable: an open quote could hide what a trusted hop has added.
    """
    elements: list[list[tuple[str, str]] | None] = [[]]
    at = 0
    while True:
        pair = _PAIR.match(text, at)
        if pair is None:
            return [None]
        pairs = elements[-1]
        if pairs is not None:
            pairs.append((pair[1].lower(), pair[2]))
        at = pair.end()
        if at == len(text):
            return elements
        if text[at] == ",":
            elements.append([])
        elif text[at] != ";":
            return [None]
        at += 1


def _for_of(element: list[tuple[str, str]] | None) -> str | None:
    named = [value for name, value in element or () if name == "for"]
    if len(named) != 1:
        return None
    value = named[0]
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _node(hop: str) -> Address | None:
    """The address in `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.

    None for `unknown`, for obfuscated names (RFC 7239, section 6.3), and for what is none of them.
    """
    if hop.startswith("["):
        host, closed, port = hop[1:].partition("]")
        if not closed or (port and not (port[0] == ":" and _PORT.fullmatch(port[1:]))):
            return None
        address = _parsed(host)
        return address if ":" in host else None
    if hop.count(":") == 1:
        host, _, port = hop.partition(":")
        return _parsed(host) if _PORT.fullmatch(port) else None
    return _parsed(hop)


def _parsed(host: str) -> Address | None:
    """An address; an IPv4 one where it is only dressed as IPv6 (`::ffff:192.0.2.1`)."""
    return None if len(host) > _LONGEST else _parsed_short(host)


@lru_cache(_MOST_PEERS)  # as above, where they come through a proxy; of bounded keys, since callers write these
def _parsed_short(host: str) -> Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
