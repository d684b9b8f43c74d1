import socket
from contextlib import suppress
from ipaddress import ip_address

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from polling_api.webhooks.outbound import Forbidden, ForbiddenAddress, ForbiddenUrl, check_url, destination_of

WEB = frozenset({80, 443})

GOOD = [
    "https://example.org",
    "https://example.org/hooks?a=b",
    "http://example.org:80/",
    "https://EXAMPLE.org:443/",
    "https://example.org./",
    "https://a-b.example.org/",
    "https://bücher.example/",
    "https://xn--bcher-kva.example/",
    "https://1and1.com/",
    "https://localhost.example/",
    "https://mylocalhost/",
    "https://93.184.216.34/",
    "https://[2606:4700:4700::1111]/",
    "https://example\u3002org/",  # a full stop of another script, which IDNA takes for one
]

MALFORMED = [
    "",
    "/hooks",
    "example.org",
    "//example.org/",
    "https://",
    "https:///hooks",
    "ftp://example.org/",
    "file:///etc/passwd",
    "gopher://example.org:80/",
    "unix:///run/redis.sock",
    "javascript:alert(1)",
    "http+unix://example.org/",
    "https://user@example.org/",
    "https://user:password@example.org/",
    "https://example.org@127.0.0.1/",
    "https://example.org:22/",
    "https://example.org:6379/",
    "https://example.org:0/",
    "https://example.org:-1/",
    "https://example.org:65536/",
    "https://example.org:99999999999/",
    "https://example.org:x/",
    "https://exa mple.org/",
    "https://example.org\t/",
    "https://example.org/\r\nX-Evil: 1",
    "https://example.org\\@127.0.0.1/",
    "https://example.org/\x00",
    "https://2130706433/",  # 127.0.0.1
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0x7f.1/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.0.0.01/",
    "https://127.0.0.1./",
    "https://127.0.0.1.2/",
    "https://256.0.0.1/",
    "https://0/",
    "https://0x/",
    "https://example.0x7f/",
    "https://%31%32%37.0.0.1/",
    "https://127%2e0%2e0%2e1/",
    "https://①②⑦.⓪.⓪.①/",
    "https://ⓔxample.org/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[::1/",
    "https://[::g]/",
    "https://[v1.fe80]/",
    "https://::1/",
    "https://-example.org/",
    "https://example..org/",
    "https://.example.org/",
    "https://exam!ple.org/",
    f"https://{'a' * 64}.org/",
    f"https://{'a.' * 127}org/",
    f"https://example.org/{'a' * 2048}",
]

LITERALS = [
    "http://localhost/",
    "http://LocalHost./",
    "http://hooks.localhost/",
    "http://127.0.0.1/",
    "http://0.0.0.0/",
    "http://10.1.2.3/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:7f00:1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fd00:ec2::254]/",
    "http://127\u30020\u30020\u30021/",
    "http://\uff11\uff12\uff17.0.0.1/",
]


@pytest.mark.parametrize("url", GOOD)
def test_a_plain_url_is_good(url: str) -> None:
    check_url(url, WEB)


@pytest.mark.parametrize("url", MALFORMED)
def test_a_url_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(ForbiddenUrl):
        check_url(url, WEB)


@pytest.mark.parametrize("url", MALFORMED)
def test_development_lets_no_other_form_through(url: str) -> None:
    with pytest.raises(ForbiddenUrl):
        check_url(url, WEB, allow_private=True)


@pytest.mark.parametrize("url", LITERALS)
def test_a_url_that_names_an_inner_address_is_refused_when_it_is_given(url: str) -> None:
    with pytest.raises(Forbidden):
        check_url(url, WEB)


def test_loopback_is_good_for_development_and_metadata_are_not() -> None:
    check_url("http://127.0.0.1:4242/", None, allow_private=True)

    with pytest.raises(ForbiddenAddress):
        check_url("http://169.254.169.254/", None, allow_private=True)


def test_any_port_is_good_where_none_are_set() -> None:
    check_url("https://example.org:8443/", None)


def test_what_is_said_names_the_rule_alone() -> None:
    with pytest.raises(ForbiddenAddress) as refused:
        check_url("http://[::ffff:10.1.2.3]/", WEB)

    assert refused.value.detail == "The url's address is of a private network."


HOSTS = st.text("0123456789abcdefx.:[]%@/\\-_\u3002\uff11\u2460 ", max_size=30)
NUMBERS = st.lists(
    st.builds("{}{:x}".format, st.sampled_from(["", "0", "0x", "0X"]), st.integers(0, 2**32)), min_size=1, max_size=4
).map(".".join)


@given(HOSTS | NUMBERS)
@example("0x7f.1")
@example("017700000001")
def test_a_host_that_resolvers_take_for_an_address_is_good_only_as_a_public_address_in_plain_form(host: str) -> None:
    url = f"http://{host}/"
    try:
        check_url(url, WEB)
    except Forbidden:
        return
    name = httpx.URL(url).host

    with suppress(OSError, UnicodeError):  # raised for all that is no address to `inet_aton`
        assert str(ip_address(socket.inet_aton(name))) == name
        assert ip_address(name).is_global


@pytest.mark.parametrize(
    ("spellings", "authority"),
    [
        (["https://example.org", "https://EXAMPLE.org:443/a", "https://example.org.", "https://example\u3002org/?b"],
         "example.org:443"),
        (["https://bücher.example/", "https://xn--bcher-kva.example/", "https://BÜCHER.example:443"],
         "xn--bcher-kva.example:443"),
        (["http://[2606:4700:4700:0::1111]", "http://[2606:4700:4700::1111]:80/"], "[2606:4700:4700::1111]:80"),
        (["http://example.org:443"], "example.org:443"),
    ],
)  # fmt: skip
def test_all_spellings_of_a_place_share_one_destination(spellings: list[str], authority: str) -> None:
    assert {destination_of(url).authority for url in spellings} == {authority}


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://example.org:443/", "example.org"),
        ("https://example.org:80/", "example.org:80"),
        ("http://example.org./", "example.org"),
        ("http://[::ffff:1.1.1.1]:8080/", "[::ffff:101:101]:8080"),
    ],
)
def test_a_host_is_named_with_its_port_unless_that_is_the_usual_one(url: str, host: str) -> None:
    assert destination_of(url).host == host


@given(st.text(max_size=40))
def test_what_is_asked_for_is_one_line_whatever_the_url(path: str) -> None:
    with suppress(Forbidden):
        target = destination_of(f"https://example.org/{path}").target
        assert target.isascii()
        assert all(" " < character < "\x7f" for character in target)
