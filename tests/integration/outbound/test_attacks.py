"""Every way to our own network that we know of, over real sockets: nothing of it connects to anything.

Receivers listen on loopback of both families, on a port that is allowed: what got past the guard would arrive.
"""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import pytest
from tests.integration.outbound.conftest import USUAL, post, sending

from in_process.name_server import AAAA, AS_IN_GLIBC, A, Answers, name_server
from in_process.receiving import Receiver, Wires, receiving
from polling_api.webhooks.outbound import Forbidden, ForbiddenAddress, GuardedClient, Unresolved
from polling_api.webhooks.outbound.own_addresses import present_addresses

PUBLIC = "93.184.216.34"
needs_glibc = pytest.mark.skipif(not AS_IN_GLIBC, reason="only glibc's resolver can be pointed at a port")

HOSTS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",  # decimal
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",  # octal
    "017700000001",
    "127.0.0.1.",
    "127.000.000.001",
    "127\u30020\u30020\u30021",  # full stops of another script
    "\uff11\uff12\uff17.0.0.1",  # digits of full width
    "\u2460\u2461\u2466.0.0.1",  # circled digits
    "%31%32%37.0.0.1",
    "0.0.0.0",  # noqa: S104
    "0",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",  # IPv4-mapped
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",  # IPv4-compatible
    "[64:ff9b::127.0.0.1]",  # NAT64
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",  # 6to4
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]",  # Teredo
    "[fe80::1]",  # link-local
    "[fe80::1%25lo]",
    "169.254.1.1",
    "169.254.169.254",  # metadata
    "[::ffff:169.254.169.254]",
    "[fd00:ec2::254]",
    "100.100.100.200",
    "168.63.129.16",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "localhost",
    "LOCALHOST.",
    "user:word@127.0.0.1",
    "example.org@127.0.0.1",
    "127.0.0.1\\@example.org",
    "127.0.0.1%00.example.org",
]


@pytest.fixture
async def receivers() -> AsyncIterator[list[Receiver]]:
    """On both families of loopback, where there are both, at the same port."""
    async with AsyncExitStack() as stack:
        four = await stack.enter_async_context(receiving())
        listening = [four]
        with suppress(OSError):
            listening.append(await stack.enter_async_context(receiving(host="::1", port=four.port)))
        yield listening


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", HOSTS)
async def test_no_form_of_an_inner_address_is_connected_to(receivers: list[Receiver], scheme: str, host: str) -> None:
    client = GuardedClient(allow_private=False, ports=None, tls=USUAL)

    with pytest.raises(Forbidden):
        await post(client, f"{scheme}://{host}:{receivers[0].port}/")

    assert sum(one.connections for one in receivers) == 0


async def test_none_of_this_machine_s_own_addresses_is_connected_to(receivers: list[Receiver]) -> None:
    client = GuardedClient(allow_private=False, ports=None, tls=USUAL)

    for address in present_addresses():
        with pytest.raises(Forbidden):
            await post(client, f"http://{f'[{address}]' if address.version == 6 else address}:{receivers[0].port}/")

    assert sum(one.connections for one in receivers) == 0


@needs_glibc
@pytest.mark.parametrize(
    "leads_to",
    [
        ["127.0.0.1"],
        ["::1"],
        [PUBLIC, "127.0.0.1"],
        ["127.0.0.1", PUBLIC],
        [PUBLIC, "::1"],
        [PUBLIC, "::ffff:127.0.0.1"],
        [PUBLIC, "64:ff9b::7f00:1"],
        [PUBLIC, "2002:7f00:1::"],
        ["0.0.0.0"],  # noqa: S104
        ["169.254.169.254"],
        ["fe80::1"],
        ["inner.example."],
    ],
)
async def test_no_name_that_leads_to_an_inner_address_is_connected_to(
    receivers: list[Receiver], leads_to: list[str]
) -> None:
    async with name_server({"inner.example": [leads_to]}) as (server, lookups):
        client = GuardedClient(allow_private=False, ports=None, tls=USUAL, resolve=lookups)
        with pytest.raises(ForbiddenAddress):
            await post(client, f"http://inner.example:{receivers[0].port}/")

    assert server.times_asked("inner.example") == 1
    assert sum(one.connections for one in receivers) == 0


@needs_glibc
async def test_a_name_that_is_bound_anew_all_the_time_is_asked_for_once_a_try_and_connected_where_that_led() -> None:
    """DNS rebinding, by a server that says another thing each time, and has it kept by nobody."""
    answers: Answers = {"rebinding.example": [[PUBLIC], ["127.0.0.1"], [PUBLIC]]}
    async with receiving() as receiver, name_server(answers) as (server, lookups):
        wires = Wires(receiver.port)
        async with sending(lookups, wires) as client:
            first = await post(client, "http://rebinding.example/")
            asked = [server.times_asked("rebinding.example", kind) for kind in (A, AAAA)]
            with pytest.raises(ForbiddenAddress, match="of this service itself"):
                await post(client, "http://rebinding.example/")
            third = await post(client, "http://rebinding.example/")

    assert (first, third, asked) == (200, 200, [1, 1])
    assert set(wires.dialled) == {(PUBLIC, 80)}
    assert server.times_asked("rebinding.example") == 3


@needs_glibc
async def test_a_name_whose_server_says_nothing_is_unresolved() -> None:
    async with name_server({}) as (server, lookups), sending(lookups, Wires(1)) as client:
        with pytest.raises(Unresolved):
            await post(client, "http://silent.example/")

    assert server.times_asked("silent.example") >= 1


@needs_glibc
def test_the_receivers_would_be_reached_in_other_forms_too() -> None:
    """Or the table would show nothing: what it holds are addresses to whoever asks the system."""
    taken = ["127.1", "2130706433", "0x7f000001", "017700000001", "0177.0.0.1", "\u2460\u2461\u2466.0.0.1"]

    assert {place[0] for host in taken for *_, place in socket.getaddrinfo(host, 80)} == {"127.0.0.1"}
