import asyncio
import socket
from threading import Event

import pytest

from polling_api.webhooks.outbound import Lookups, Unresolved

SOON = 0.05  # seconds


class Silent:
    """A resolver that says nothing about some names until it is let go."""

    def __init__(self) -> None:
        self.go = Event()
        self.asked: list[str] = []

    def __call__(self, name: str, _port: int) -> list[str]:
        self.asked.append(name)
        if name.startswith("silent"):
            self.go.wait(30)
        return ["93.184.216.34"]


async def test_a_name_whose_servers_are_silent_is_given_up_in_time() -> None:
    silent = Silent()
    lookups = Lookups(within=SOON, ask=silent)

    with pytest.raises(Unresolved, match="in time"):
        await lookups("silent.example", 443)

    silent.go.set()


async def test_silent_names_do_not_hold_up_others_while_there_are_threads() -> None:
    silent = Silent()
    lookups = Lookups(within=30, at_once=3, ask=silent)
    waiting = [asyncio.create_task(lookups(f"silent{n}.example", 443)) for n in range(2)]

    addresses = await lookups("quick.example", 443)

    assert [str(address) for address in addresses] == ["93.184.216.34"]
    silent.go.set()
    await asyncio.gather(*waiting)


async def test_lookups_that_were_given_up_count_until_they_end() -> None:
    silent = Silent()
    lookups = Lookups(within=SOON, at_once=2, ask=silent)
    await asyncio.gather(*(lookups(f"silent{n}.example", 443) for n in range(2)), return_exceptions=True)

    with pytest.raises(Unresolved):
        await lookups("quick.example", 443)

    assert sorted(silent.asked) == ["silent0.example", "silent1.example"]
    silent.go.set()


async def test_threads_that_have_ended_are_used_again() -> None:
    silent = Silent()
    silent.go.set()
    lookups = Lookups(within=30, at_once=1, ask=silent)

    for n in range(3):
        await lookups(f"silent{n}.example", 443)

    assert len(silent.asked) == 3


async def test_every_call_asks_anew() -> None:
    silent = Silent()
    lookups = Lookups(ask=silent)

    await lookups("quick.example", 443)
    await lookups("quick.example", 443)

    assert silent.asked == ["quick.example", "quick.example"]


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), UnicodeError("label too long")])
async def test_a_name_without_an_address_is_unresolved(error: Exception) -> None:
    def ask(_name: str, _port: int) -> list[str]:
        raise error

    with pytest.raises(Unresolved, match="no address"):
        await Lookups(ask=ask)("nobody.example", 443)
