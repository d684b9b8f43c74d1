"""Who it is, by vectors: RFC 7239's own, those of proxies in use, and what an attacker would send."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polling_api.ratelimit import Proxies, SeenProxy, address_of

unhurried = settings(max_examples=60, deadline=None)  # the machine may be busy with something else

PROXIES = Proxies(["10.0.0.0/8", "2001:db8:ffff::/48", "unix"])
PEER = "10.0.0.1"


def seen(peer: str | None, forwarded: str = "", forwarded_for: str = "", proxies: Proxies = PROXIES) -> str:
    own, usual = [
        [line.encode("latin-1") for line in text.split("\n")] if text else [] for text in (forwarded, forwarded_for)
    ]
    return address_of(peer, own, usual, proxies)


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        (None, "unix"),
        ("", "unix"),
        ("testclient", "testclient"),
    ],
)
def test_a_peer_that_is_no_proxy_is_the_caller(peer: str | None, address: str) -> None:
    assert seen(peer, proxies=Proxies([])) == address
    assert seen(peer, "for=198.51.100.7", "198.51.100.7", Proxies([])) == address


def test_what_an_untrusted_peer_says_is_not_believed() -> None:
    assert seen("192.0.2.1", "for=198.51.100.7", "198.51.100.7") == "192.0.2.1"
    assert seen(None, forwarded_for="198.51.100.7", proxies=Proxies(["10.0.0.0/8"])) == "unix"


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("198.51.100.7:4711", "198.51.100.7"),
        ("2001:db8:1:2::7", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::7]", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::7]:443", "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7", "198.51.100.7"),  # the left one may be anybody's invention
        ("203.0.113.9, 198.51.100.7, 10.1.1.1", "198.51.100.7"),
        ("198.51.100.7,10.1.1.1 , 10.2.2.2", "198.51.100.7"),
        ("203.0.113.9\n198.51.100.7, 10.1.1.1", "198.51.100.7"),  # two lines are one list
        ("10.9.9.9, 10.1.1.1", "10.9.9.9"),  # a caller inside
        ("203.0.113.9, garbage, 10.1.1.1", "10.1.1.1"),
        ("203.0.113.9, ", "10.0.0.1"),
        ("unknown", "10.0.0.1"),
        ("_hidden", "10.0.0.1"),
        ("198.51.100.7:port", "10.0.0.1"),
        ("198.51.100.7:", "10.0.0.1"),
        ("[198.51.100.7]", "10.0.0.1"),
        ("[2001:db8::7", "10.0.0.1"),
        ("[2001:db8::7]x", "10.0.0.1"),
        ("0x7f000001", "10.0.0.1"),
        ("127.1", "10.0.0.1"),
        ("198.51.100.07", "10.0.0.1"),
        ("\xb2\xb3.1.1.1", "10.0.0.1"),
    ],
)
def test_x_forwarded_for_is_read_from_right_to_left(header: str, address: str) -> None:
    assert seen(PEER, forwarded_for=header) == address


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("for=198.51.100.7", "198.51.100.7"),
        ("For=198.51.100.7;proto=http;by=203.0.113.43", "198.51.100.7"),
        ('for="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::/64"),
        ('For="[2001:db8:cafe::17]"', "2001:db8:cafe::/64"),
        ('for="198.51.100.7:8080"', "198.51.100.7"),
        (r'for="198.51.100\.7"', "198.51.100.7"),
        ("for=203.0.113.9, for=198.51.100.7", "198.51.100.7"),
        ("for=203.0.113.9, for=198.51.100.7;by=10.0.0.2,for=10.1.1.1", "198.51.100.7"),
        ("for=203.0.113.9\nfor=198.51.100.7", "198.51.100.7"),
        ('for=203.0.113.9;by="a,b;for=1.1.1.1", for=198.51.100.7', "198.51.100.7"),
        ('for="_gazonk"', "10.0.0.1"),
        ("for=_mdn", "10.0.0.1"),
        ("for=unknown", "10.0.0.1"),
        ("for=203.0.113.9, for=unknown", "10.0.0.1"),
        ("proto=https", "10.0.0.1"),
        ("for=198.51.100.7;for=203.0.113.9", "10.0.0.1"),
        ('for="198.51.100.7', "10.0.0.1"),
        ('x="open, for=198.51.100.7', "10.0.0.1"),  # an open quote may not swallow what comes after
        ("198.51.100.7", "10.0.0.1"),
        ("for==198.51.100.7", "10.0.0.1"),
        (",", "10.0.0.1"),
    ],
)
def test_forwarded_is_read_from_right_to_left(header: str, address: str) -> None:
    assert seen(PEER, header) == address


def test_where_the_two_headers_differ_the_caller_counts_as_its_proxy() -> None:
    assert seen(PEER, "for=198.51.100.7", "198.51.100.7") == "198.51.100.7"
    assert seen(PEER, "for=203.0.113.9", "198.51.100.7") == "10.0.0.1"


def test_a_proxy_on_a_unix_socket_is_believed_if_it_is_named() -> None:
    assert seen(None, forwarded_for="198.51.100.7") == "198.51.100.7"
    assert seen(None, forwarded_for="unknown") == "unix"


def test_a_proxy_that_comes_as_a_mapped_address_is_the_same_proxy() -> None:
    assert seen("::ffff:10.0.0.1", forwarded_for="198.51.100.7") == "198.51.100.7"


def test_a_walk_has_an_end() -> None:
    assert seen(PEER, forwarded_for="203.0.113.9" + ", 10.1.1.1" * 5000) == "10.1.1.1"


def test_what_is_no_network_is_said_at_start() -> None:
    with pytest.raises(ValueError, match=r"proxy\.example"):
        Proxies(["proxy.example"])


@given(
    st.text(alphabet='for=";,.:[]\\ 0123456789abcdef_x%', max_size=60), st.sampled_from(["forwarded", "forwarded_for"])
)
@unhurried
def test_whatever_a_caller_writes_to_the_left_changes_nothing(written: str, header: str) -> None:
    own = "for=198.51.100.7" if header == "forwarded" else "198.51.100.7"
    lines = [written.encode(), own.encode()]

    address = address_of(PEER, lines if header == "forwarded" else [], lines if header != "forwarded" else [], PROXIES)

    assert address == "198.51.100.7"


NOON = 1_795_600_800.0  # epoch seconds


@pytest.mark.parametrize(
    ("from_proxy", "direct", "found"), [(100, 0, "10.0.0.1"), (95, 5, "10.0.0.1"), (50, 50, None), (20, 0, None)]
)
def test_a_proxy_that_nobody_named_is_found_out_after_a_minute(from_proxy: int, direct: int, found: str | None) -> None:
    seen_proxy = SeenProxy()
    for number in range(from_proxy):
        seen_proxy.note("10.0.0.1", NOON + number * 0.1, forwarded=True)
    for number in range(direct):
        seen_proxy.note(f"192.0.2.{number}", NOON + 30, forwarded=False)

    assert seen_proxy.found(NOON + 30) is None
    assert seen_proxy.found(NOON + 60) == found
    assert seen_proxy.found(NOON + 180) is None


def test_many_callers_who_each_send_a_header_are_no_proxy() -> None:
    seen_proxy = SeenProxy()
    for number in range(200):
        seen_proxy.note(f"192.0.2.{number}", NOON, forwarded=True)

    assert seen_proxy.found(NOON + 60) is None
