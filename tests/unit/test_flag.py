"""What a connection is waited on with."""

import asyncio

from polling_api.protocol.flag import Flag


async def test_who_waits_goes_on_when_the_flag_is_set() -> None:
    flag = Flag()
    waiting = [flag.wait(), flag.wait()]

    flag.set()

    assert all(waiter.done() for waiter in waiting)


async def test_who_comes_later_goes_on_at_once_until_the_flag_is_cleared() -> None:
    flag = Flag(raised=True)
    before = flag.wait()

    flag.clear()

    assert (before.done(), flag.wait().done()) == (True, False)


async def test_who_gave_up_waiting_is_no_hindrance() -> None:
    flag = Flag()
    given_up = asyncio.ensure_future(flag.wait())
    given_up.cancel()
    patient = flag.wait()

    flag.set()

    assert patient.done()
