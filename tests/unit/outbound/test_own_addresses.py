from ipaddress import ip_address

from polling_api.webhooks.outbound.networks import Address
from polling_api.webhooks.outbound.own_addresses import KNOWN_FOR, OwnAddresses, present_addresses


def test_loopback_is_among_them() -> None:
    assert ip_address("127.0.0.1") in present_addresses()


def test_a_new_address_is_known_after_some_seconds() -> None:
    now, there = [0.0], [{ip_address("93.184.216.34")}]

    def look() -> frozenset[Address]:
        return frozenset(there[0])

    own = OwnAddresses(look, lambda: now[0])
    before = own()
    there[0].add(ip_address("93.184.216.35"))
    now[0] = KNOWN_FOR - 1
    meanwhile = own()
    now[0] = KNOWN_FOR

    assert (before, meanwhile) == ({ip_address("93.184.216.34")},) * 2
    assert own() == there[0]
