"""Which addresses may be sent to: IANA's registries of special-purpose addresses (RFC 6890), as a rule for us.

`is_global` of the standard library is not enough: it is true for multicast, and for forms of IPv6 that carry an IPv4
address of any kind within them.
"""

from collections.abc import Collection, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address

_Networks = Sequence[tuple[IPv4Network | IPv6Network, str]]

_METADATA = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",  # nearly every cloud
        "169.254.170.2",  # AWS, credentials of a container
        "169.254.170.23",
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure; an address that looks public
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # AWS
        "fd00:ec2::23",
        "fd20:ce::254",  # Google
    )
)

_PRIVATE: _Networks = [
    (ip_network(text), reason)
    for text, reason in (
        ("127.0.0.0/8", "a loopback address"),
        ("::1/128", "a loopback address"),
        ("10.0.0.0/8", "of a private network"),
        ("172.16.0.0/12", "of a private network"),
        ("192.168.0.0/16", "of a private network"),
        ("fc00::/7", "of a private network"),
        ("100.64.0.0/10", "of a provider's own network"),  # RFC 6598, carrier-grade NAT
    )
]

_NEVER: _Networks = [
    (ip_network(text), reason)
    for text, reason in (
        ("0.0.0.0/8", "unspecified"),  # Linux connects it to loopback
        ("::/128", "unspecified"),
        ("169.254.0.0/16", "of one link alone"),
        ("fe80::/10", "of one link alone"),
        ("224.0.0.0/4", "a multicast address"),
        ("ff00::/8", "a multicast address"),
        ("255.255.255.255/32", "the broadcast address"),
        ("240.0.0.0/4", "reserved"),
        ("192.0.2.0/24", "kept for documentation"),
        ("198.51.100.0/24", "kept for documentation"),
        ("203.0.113.0/24", "kept for documentation"),
        ("2001:db8::/32", "kept for documentation"),
        ("3fff::/20", "kept for documentation"),
        ("198.18.0.0/15", "kept for benchmarks"),
        ("2001:2::/48", "kept for benchmarks"),
        ("192.0.0.0/24", "kept for protocols"),
        ("192.88.99.0/24", "kept for protocols"),  # relays of 6to4
        ("2002::/16", "a 6to4 address"),
        ("2001::/32", "a Teredo address"),
        ("2001::/23", "kept for protocols"),  # ORCHID and others; none is a host's
        ("64:ff9b:1::/48", "a local NAT64 address"),  # RFC 8215: what is behind it nobody can tell
    )
]

_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: how networks without IPv4 reach the rest of the internet
_ISATAP = {0x00005EFE, 0x02005EFE}  # RFC 5214: an IPv4 address follows


def rule_against(address: Address, *, allow_private: bool, own: Collection[Address] = ()) -> str | None:
    """What forbids to connect to an address, as the end of the sentence "The address is …"; None if nothing does.

    Args:
        address: what would be connected to.
        allow_private: let loopback and private networks through, and this machine's own addresses; never what no
            receiver has: metadata services, links, multicast and what is reserved.
        own: this machine's addresses; a public one leads past whatever guards our ports from outside.
    """
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return "of one link alone"
        if address in _NAT64:  # such a gateway must not lead to private addresses (section 3.1), so none is let through
            return rule_against(_last_32_bits(address), allow_private=False, own=own)
        address = address.ipv4_mapped or address
    if address in _METADATA:
        return "a cloud's metadata service"
    private = "of this service itself" if address in own else _first(address, _PRIVATE)
    if private is not None:
        return None if allow_private else private
    return _first(address, _NEVER) or _not_global(address)


def _last_32_bits(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFFFFFF)


def _first(address: Address, networks: _Networks) -> str | None:
    return next((reason for network, reason in networks if address in network), None)


def _not_global(address: Address) -> str | None:
    if isinstance(address, IPv6Address):
        if address not in _UNICAST:
            return "not a global address"
        if int(_last_32_bits(IPv6Address(int(address) >> 32))) in _ISATAP:
            return "an ISATAP address"
    return None if address.is_global else "not a global address"
