from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.webhooks.outbound.networks import rule_against

PUBLIC = [
    "93.184.216.34",
    "1.1.1.1",
    "172.15.255.255",  # beside private networks
    "172.32.0.0",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:80b::200e",
    "::ffff:1.1.1.1",
    "64:ff9b::101:101",  # 1.1.1.1, from a network without IPv4
]

PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "::1",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "fd12:3456:789a::1",
    "fc00::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
]

NEVER = [
    "0.0.0.0",  # noqa: S104 - an address to send to, not to listen on
    "0.1.2.3",
    "::",
    "169.254.1.1",
    "fe80::1",
    "fe80::1%2",
    "fec0::1",
    "224.0.0.1",
    "239.255.255.250",
    "ff02::1",
    "ff0e::1",
    "255.255.255.255",
    "240.0.0.1",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "2001:db8::1",
    "3fff::1",
    "198.18.0.1",
    "198.19.255.255",
    "2001:2::1",
    "192.0.0.8",
    "192.88.99.1",
    "100::1",
    "5f00::1",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "64:ff9b::7f00:1",  # NAT64 of 127.0.0.1
    "64:ff9b::a9fe:a9fe",  # and of 169.254.169.254
    "64:ff9b::a00:1",
    "64:ff9b:1::101:101",
    "64:ff9b:1:fffe::7f00:1",
    "2002:7f00:1::1",  # 6to4 of 127.0.0.1
    "2002:101:101::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
    "::127.0.0.1",  # IPv4-compatible
    "::1.1.1.1",
    "::ffff:0:127.0.0.1",  # translated (RFC 2765)
    "2606:4700::5efe:7f00:1",  # ISATAP of 127.0.0.1
    "2606:4700::200:5efe:7f00:1",
    "4000::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_sent_to(address: str) -> None:
    assert rule_against(ip_address(address), allow_private=False) is None


@pytest.mark.parametrize("address", PRIVATE + NEVER)
def test_no_other_address_is_sent_to(address: str) -> None:
    assert rule_against(ip_address(address), allow_private=False) is not None


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_let_through_for_development(address: str) -> None:
    assert rule_against(ip_address(address), allow_private=True) is None


@pytest.mark.parametrize("address", NEVER)
def test_metadata_links_and_what_is_reserved_are_never_sent_to(address: str) -> None:
    assert rule_against(ip_address(address), allow_private=True) is not None


@pytest.mark.parametrize("address", ["93.184.216.34", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"])
def test_a_public_address_of_this_machine_is_not_sent_to_in_any_form(address: str) -> None:
    own = {ip_address("93.184.216.34")}

    assert rule_against(ip_address(address), allow_private=False, own=own) == "of this service itself"
    assert rule_against(ip_address("93.184.216.35"), allow_private=False, own=own) is None


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_what_is_sent_to_is_global_for_the_standard_library_too(address: IPv4Address) -> None:
    if rule_against(address, allow_private=False) is None:
        assert address.is_global
        assert not address.is_multicast


@given(st.integers(0, 2**128 - 1).map(IPv6Address) | st.integers(0x2001 << 112, (0x2003 << 112) - 1).map(IPv6Address))
def test_what_is_sent_to_in_ipv6_is_global_unicast_that_carries_no_other_address(address: IPv6Address) -> None:
    if rule_against(address, allow_private=False) is None:
        assert address.is_global
        assert not address.is_multicast
        assert address.sixtofour is None
        assert address.teredo is None


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_an_address_is_judged_alike_in_its_mapped_form(address: IPv4Address) -> None:
    mapped = IPv6Address(f"::ffff:{address}")

    for allowed in (False, True):
        assert rule_against(mapped, allow_private=allowed) == rule_against(address, allow_private=allowed)
