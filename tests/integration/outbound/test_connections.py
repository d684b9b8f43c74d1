"""Receivers that do not behave: what they send is bounded, and never taken for the answer to another request."""

import asyncio
import time

import httpcore
import pytest
from tests.integration.outbound.conftest import post, sending

from in_process.deadlines import eventually
from in_process.receiving import Wires, answering, receiving
from polling_api.webhooks.outbound import Unanswered, Unreached
from polling_api.webhooks.outbound.kept import KeptConnections, Place

PUBLIC, OTHER = "93.184.216.34", "93.184.216.35"
URL = "http://hooks.example/"
ENDLESS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n" + b"x" * 2048 + b"\r\n"


async def test_a_body_without_end_is_read_for_a_kilobyte_and_the_connection_ended() -> None:
    async with receiving(answer=ENDLESS) as receiver, sending(answering([PUBLIC]), Wires(receiver.port)) as client:
        answers = [await client.post(URL, {}, b"") for _ in range(2)]

    assert [(one.status_code, one.body) for one in answers] == [(200, b"x" * 1024)] * 2
    assert receiver.connections == 2


async def test_what_comes_over_an_idle_connection_ends_it() -> None:
    async with receiving() as receiver, sending(answering([PUBLIC]), Wires(receiver.port)) as client:
        before = await post(client, URL)
        [writer] = receiver.writers
        writer.write(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")
        after = await post(client, URL)

    assert (before, after, receiver.connections) == (200, 200, 2)


async def test_a_kept_connection_that_the_receiver_has_closed_is_made_anew() -> None:
    async with receiving(requests=1) as receiver, sending(answering([PUBLIC]), Wires(receiver.port)) as client:
        statuses = [await post(client, URL) for _ in range(3)]

    assert statuses == [200] * 3
    assert receiver.connections == 3


async def test_who_closes_every_connection_without_an_answer_has_not_answered() -> None:
    async with (
        receiving(answer=b"", requests=1) as receiver,
        sending(answering([PUBLIC]), Wires(receiver.port)) as client,
    ):
        with pytest.raises(Unanswered, match="broke"):
            await post(client, URL)

    assert receiver.connections == 1


async def test_what_is_no_http_is_said_to_be_none() -> None:
    async with (
        receiving(answer=b"SSH-2.0-OpenSSH_9.2\r\n\r\n") as receiver,
        sending(answering([PUBLIC]), Wires(receiver.port)) as client,
    ):
        with pytest.raises(Unanswered, match="no HTTP"):
            await post(client, URL)


async def test_who_gives_up_ends_the_connection_on_which_an_answer_may_still_come() -> None:
    async with receiving(answer=b"") as receiver, sending(answering([PUBLIC]), Wires(receiver.port)) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await post(client, URL)
        await eventually(lambda: not receiver.writers)

    assert len(receiver.heads) == 1


async def test_nothing_is_sent_when_it_is_too_late_to_send() -> None:
    async with receiving() as receiver, sending(answering([PUBLIC]), Wires(receiver.port)) as client:
        with pytest.raises(TimeoutError):
            await client.post(URL, {}, b"", by=time.monotonic() - 1)

    assert receiver.heads == []


async def test_an_address_that_says_nothing_leaves_time_for_another() -> None:
    async with receiving() as receiver:
        wires = Wires(receiver.port, silent=[PUBLIC])
        async with sending(answering([PUBLIC, OTHER]), wires, connect_within=0.05) as client:
            status = await post(client, URL)

    assert (status, wires.dialled) == (200, [(PUBLIC, 80), (OTHER, 80)])


async def test_where_no_tls_is_spoken_nothing_is_sent() -> None:
    async with receiving(answer=b"") as receiver, sending(answering([PUBLIC]), Wires(receiver.port)) as client:
        asking = asyncio.create_task(post(client, "https://hooks.example/"))
        await eventually(lambda: bool(receiver.writers))
        receiver.writers[0].write(b"220 mail.example ESMTP\r\n")
        with pytest.raises(Unreached, match="no TLS"):
            await asking

    assert receiver.heads == []


async def test_idle_connections_are_bounded() -> None:
    async with receiving() as receiver, sending(answering([PUBLIC]), Wires(receiver.port), most_kept=2) as client:
        for number in range(4):
            await post(client, f"http://hooks{number}.example/")
        await eventually(lambda: len(receiver.writers) == 2)


async def used(place: Place) -> httpcore.AsyncHTTP11Connection:
    """A connection that has been asked once."""
    connection = httpcore.AsyncHTTP11Connection(
        place.origin, await Wires(place.port).connect_tcp(place.address, place.port)
    )
    url = httpcore.URL(scheme=place.scheme, host=place.address.encode(), port=place.port, target=b"/")
    response = await connection.handle_async_request(httpcore.Request("GET", url, headers={"Host": place.name}))
    await response.aread()
    await response.aclose()
    return connection


async def test_a_connection_that_was_idle_for_too_long_is_ended() -> None:
    async with receiving() as receiver:
        place = Place("127.0.0.1", receiver.port, tls=False, name="hooks.example")
        kept = KeptConnections(idle=-1.0)
        await kept.keep(place, await used(place))
        taken = await kept.take(place)
        await eventually(lambda: receiver.connections == 1 and not receiver.writers)

    assert (len(kept), taken) == (0, None)


async def test_of_idle_connections_the_one_that_was_used_last_is_used_first() -> None:
    async with receiving() as receiver:
        place = Place("127.0.0.1", receiver.port, tls=False, name="hooks.example")
        kept = KeptConnections()
        first, second = await used(place), await used(place)
        for connection in (first, second):
            await kept.keep(place, connection)
        taken = [await kept.take(one) for one in (place, place._replace(name="other.example"), place)]
        for connection in (first, second):
            await connection.aclose()

    assert taken == [second, None, first]
