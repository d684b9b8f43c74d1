import pytest

from polling_api.api.hosts import AUTHORITY, EVERY_HOST, AllowedHosts
from polling_api.settings import Settings

HOSTS = AllowedHosts(["Polling.Example", "127.0.0.1", "[::1]", "fe80::1", "with.port:8000"])


@pytest.mark.parametrize(
    "host",
    [
        "polling.example",
        "POLLING.EXAMPLE:8000",
        "polling.example.",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1:",
        "[::1]",
        "[::1]:8000",
        "[FE80::1]",
        "with.port",
        "with.port:9000",
    ],
)
def test_a_host_of_ours_is_answered_on_any_port(host: str) -> None:
    assert HOSTS.allow(host)


@pytest.mark.parametrize(
    "host", ["", "evil.example", "polling.example.evil.example", "xpolling.example", "127.0.0.2", "[::2]", "*"]
)
def test_another_host_is_not_answered(host: str) -> None:
    assert not HOSTS.allow(host)


def test_a_request_that_names_no_host_is_answered() -> None:
    assert HOSTS.allow(None)


def test_a_star_allows_all() -> None:
    assert EVERY_HOST.allow("evil.example")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]", "service.example"])
def test_the_machine_s_own_names_and_the_host_that_is_listened_on_are_ours_by_default(host: str) -> None:
    assert AllowedHosts(Settings(host="service.example").hosts).allow(host)


@pytest.mark.parametrize("listed", ["a.example, b.example", '["a.example", "b.example"]'])
def test_hosts_that_are_set_are_the_only_ones(monkeypatch: pytest.MonkeyPatch, listed: str) -> None:
    monkeypatch.setenv("POLLING_ALLOWED_HOSTS", listed)

    assert Settings().hosts == ("a.example", "b.example")


@pytest.mark.parametrize(("allowed", "own"), [((), "localhost"), (("*",), "localhost"), (("*", "a"), "a")])
def test_the_service_asks_itself_under_a_name_that_it_answers_for(allowed: tuple[str, ...], own: str) -> None:
    assert Settings(allowed_hosts=allowed).own_host == own


@pytest.mark.parametrize("host", ["a", "a-b.c_d", "1.2.3.4:80", "[::1]", "[::1]:80", "a:"])
def test_a_name_or_an_address_with_a_port_is_an_authority(host: str) -> None:
    assert AUTHORITY.fullmatch(host)


@pytest.mark.parametrize("host", ["", ":80", "a b", "a,b", "a/b", "u@a", "a:b", "a:123456", "[::1", "::1", "a\n", "ä"])
def test_anything_else_is_none(host: str) -> None:
    assert not AUTHORITY.fullmatch(host)
