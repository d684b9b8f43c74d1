from collections.abc import Collection
from ipaddress import ip_address

import pytest
from tests.integration.outbound.conftest import USUAL, post, sending

from in_process.authority import Authority
from in_process.receiving import Wires, answering, receiving
from polling_api.webhooks.outbound import (
    Address,
    Forbidden,
    ForbiddenAddress,
    ForbiddenUrl,
    GuardedClient,
    Unreached,
    Unresolved,
)

PUBLIC = "93.184.216.34"
OTHER_PUBLIC = "93.184.216.35"
SIX = "2606:4700:4700::1111"


async def test_a_request_goes_to_the_checked_address_in_the_name_of_its_host() -> None:
    async with receiving() as receiver:
        wires = Wires(receiver.port)
        async with sending(answering([PUBLIC]), wires) as client:
            answer = await client.post("http://hooks.example/in?a=b", {"X-A": "b"}, b"body")

    assert (answer.status_code, answer.body) == (200, b"ok")
    assert wires.dialled == [(PUBLIC, 80)]
    assert receiver.heads[0].startswith("POST /in?a=b HTTP/1.1\r\nHost: hooks.example\r\nX-A: b\r\n")
    assert receiver.bodies == [b"body"]


@pytest.mark.parametrize(
    "answer",
    [
        ["127.0.0.1"],
        [PUBLIC, "10.0.0.1"],
        ["10.0.0.1", PUBLIC],
        [PUBLIC, SIX, "::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["169.254.169.254"],
        ["fe80::1%2"],
        ["0.0.0.0"],  # noqa: S104
        [f"93.184.{n}.1" for n in range(65)],
        [],
    ],
)
async def test_one_forbidden_address_of_a_name_is_enough_to_send_nothing(answer: list[str]) -> None:
    async with receiving() as receiver:
        wires = Wires(receiver.port)
        async with sending(answering(answer), wires) as client:
            with pytest.raises(ForbiddenAddress) as refused:
                await post(client, "http://hooks.example/")

    assert wires.dialled == []
    assert not any(address in refused.value.detail for address in answer)


async def test_a_name_that_is_bound_anew_between_check_and_connection_is_connected_where_it_was_checked() -> None:
    async with receiving() as receiver:
        wires = Wires(receiver.port)
        async with sending(answering([PUBLIC], ["127.0.0.1"]), wires) as client:
            first = await post(client, "http://rebinding.example/")
            with pytest.raises(ForbiddenAddress):
                await post(client, "http://rebinding.example/")

    assert first == 200
    assert wires.dialled == [(PUBLIC, 80)]
    assert len(receiver.heads) == 1


async def test_a_kept_connection_is_used_again_only_for_the_address_that_was_checked_now() -> None:
    async with receiving() as receiver:
        wires = Wires(receiver.port)
        async with sending(answering([PUBLIC], [PUBLIC], [OTHER_PUBLIC], [PUBLIC]), wires) as client:
            for _ in range(4):
                await post(client, "http://hooks.example/")

    assert wires.dialled == [(PUBLIC, 80), (OTHER_PUBLIC, 80)]
    assert len(receiver.heads) == 4


async def test_a_kept_connection_is_never_used_in_another_name(tmp_path_factory: pytest.TempPathFactory) -> None:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    async with receiving(tls=authority.serving("hooks.example")) as receiver:
        wires = Wires(receiver.port)
        async with sending(answering([PUBLIC]), wires, tls=authority.trusting()) as client:
            good = await post(client, "https://hooks.example/")
            with pytest.raises(Unreached, match="certificate"):
                await post(client, "https://other.example/")

    assert good == 200
    assert len(receiver.heads) == 1


async def test_a_name_with_a_dot_at_its_end_is_verified_without_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    async with (
        receiving(tls=authority.serving("hooks.example")) as receiver,
        sending(answering([PUBLIC]), Wires(receiver.port), tls=authority.trusting()) as client,
    ):
        answer = await post(client, "https://hooks.example./")

    assert answer == 200


async def test_a_certificate_of_an_unknown_authority_is_not_believed(tmp_path_factory: pytest.TempPathFactory) -> None:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    async with (
        receiving(tls=authority.serving("hooks.example")) as receiver,
        sending(answering([PUBLIC]), Wires(receiver.port)) as client,
    ):
        with pytest.raises(Unreached, match="certificate"):
            await post(client, "https://hooks.example/")

    assert receiver.heads == []


async def test_another_address_of_the_name_is_tried_where_nobody_answers() -> None:
    async with receiving() as receiver:
        wires = Wires(receiver.port, dead=[SIX])
        async with sending(answering([SIX, PUBLIC]), wires) as client:
            answer = await post(client, "http://hooks.example/")

    assert answer == 200
    assert wires.dialled == [(SIX, 80), (PUBLIC, 80)]


async def test_three_addresses_are_tried_at_most() -> None:
    addresses = [f"93.184.216.{n}" for n in range(10)]
    wires = Wires(1, dead=addresses)
    async with sending(answering(addresses), wires) as client:
        with pytest.raises(Unreached):
            await post(client, "http://hooks.example/")

    assert [host for host, _ in wires.dialled] == addresses[:3]


async def test_a_redirect_is_an_answer_and_leads_nowhere() -> None:
    moved = b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"
    async with receiving(answer=moved) as receiver, sending(answering([PUBLIC]), Wires(receiver.port)) as client:
        answer = await post(client, "http://hooks.example/")

    assert answer == 307
    assert len(receiver.heads) == 1


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with sending(answering([PUBLIC]), Wires(receiver.port)) as client:
            await post(client, "http://hooks.example/")

    assert proxy.connections == 0
    assert len(receiver.heads) == 1


async def test_cookies_of_a_receiver_are_not_sent_to_the_next_one_at_its_host() -> None:
    cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"
    async with receiving(answer=cookie) as receiver, sending(answering([PUBLIC]), Wires(receiver.port)) as client:
        await post(client, "http://hooks.example/one")
        await post(client, "http://hooks.example/two")

    assert "cookie" not in receiver.heads[1].lower()


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://hooks.example:22/", ForbiddenUrl),
        ("http://user:password@hooks.example/", ForbiddenUrl),
        ("http://2130706433/", ForbiddenUrl),
        ("http://127.0.0.1/", ForbiddenAddress),
        ("http://[::ffff:7f00:1]/", ForbiddenAddress),
    ],
)
async def test_what_a_url_is_refused_for_when_it_is_given_it_is_refused_for_at_each_try(
    url: str, error: type[Forbidden]
) -> None:
    async with receiving() as receiver:
        wires = Wires(receiver.port)
        async with sending(answering([PUBLIC]), wires) as client:
            with pytest.raises(error):
                await post(client, url)

    assert wires.dialled == []


async def test_a_public_address_of_this_machine_is_not_sent_to() -> None:
    def own() -> Collection[Address]:
        return [ip_address(PUBLIC)]

    wires = Wires(1)
    async with sending(answering([PUBLIC]), wires, own=own) as client:
        with pytest.raises(ForbiddenAddress, match="of this service itself"):
            await post(client, "http://hooks.example/")

    assert wires.dialled == []


def guarded(*, allow_private: bool) -> GuardedClient:
    return GuardedClient(allow_private=allow_private, ports=None, tls=USUAL)


@pytest.mark.parametrize("written", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_loopback_is_reached_for_development_alone_over_real_sockets_and_the_systems_resolver(
    written: str,
) -> None:
    async with receiving() as receiver:
        url = f"http://{written}:{receiver.port}/"
        answer = await post(guarded(allow_private=True), url)
        with pytest.raises(ForbiddenAddress):
            await post(guarded(allow_private=False), url)

    assert answer == 200
    assert receiver.connections == 1
    assert f"Host: {written}:{receiver.port}\r\n".replace("127.0.0.1]", "7f00:1]") in receiver.heads[0]


async def test_an_unknown_name_is_unresolved() -> None:
    with pytest.raises(Unresolved):
        await post(guarded(allow_private=False), "http://nobody.invalid/")
