"""Requests that wait while thousands are told what was waited for."""

import asyncio
from collections.abc import AsyncIterator
from math import inf

import pytest
from tests.integration.protocol.conftest import PATIENT, Echo, serving

from in_process.deadlines import eventually
from polling_api.protocol.patient import LONGEST_HELD
from polling_api.resilience.news_first import NewsFirst, Patient
from running.raw import RawConnection, raw_connection

REQUEST = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"


class Told(NewsFirst):
    """News that is told for as long as a test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Patient] = []

    def begin(self) -> None:
        self.since = asyncio.get_running_loop().time()

    def end(self) -> None:
        self.since = inf
        while self.held:
            self.held.pop(0).go_on()

    def hold_back(self, patient: Patient) -> None:
        self.held.append(patient)

    def forget(self, patient: Patient) -> None:
        if patient in self.held:
            self.held.remove(patient)


@pytest.fixture
def news() -> Told:
    return Told()


@pytest.fixture
async def port(echo: Echo, news: Told) -> AsyncIterator[int]:
    async with serving(echo, PATIENT, news=news) as listening:
        yield listening


async def answered_meanwhile(connection: RawConnection, news: Told) -> None:
    """An answer that is given while the news is told, as the end of a wait is."""
    news.begin()
    await connection.send(REQUEST)
    assert (await connection.answer()).status == 200


async def held_back(connection: RawConnection, news: Told, sent: bytes = REQUEST) -> None:
    """Something that comes after such an answer, and is kept."""
    await answered_meanwhile(connection, news)
    await connection.send(sent)
    await eventually(lambda: len(news.held) == 1)


async def test_who_was_answered_meanwhile_is_read_when_all_is_told(port: int, news: Told, echo: Echo) -> None:
    async with raw_connection(port) as connection:
        await held_back(connection, news)
        asked = len(echo.asked)

        news.end()

        assert (await connection.answer()).status == 200
        assert (asked, len(echo.asked)) == (1, 2)


async def test_who_was_told_nothing_is_read_at_once(port: int, news: Told) -> None:
    async with raw_connection(port) as known, raw_connection(port) as new:
        await known.send(REQUEST)
        await known.answer()
        news.since = asyncio.get_running_loop().time() + 1  # later than that answer, by the loop's clock

        for connection in (known, new):
            await connection.send(REQUEST)
            assert (await connection.answer()).status == 200


async def test_a_request_whose_rest_comes_is_read_whole(port: int, news: Told, echo: Echo) -> None:
    async with raw_connection(port) as connection:
        await held_back(connection, news, REQUEST[:10])

        await connection.send(REQUEST[10:])

        assert (await connection.answer()).status == 200
        assert news.held == []
        assert echo.asked == ["/a", "/a"]


async def test_what_is_long_is_not_kept(port: int, news: Told) -> None:
    async with raw_connection(port) as connection:
        await answered_meanwhile(connection, news)

        await connection.send(REQUEST.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * LONGEST_HELD + b"\r\n\r\n"))

        assert (await connection.answer()).status == 200


async def test_who_asks_and_closes_its_side_is_answered_all_the_same(port: int, news: Told) -> None:
    async with raw_connection(port) as connection:
        await held_back(connection, news, REQUEST.replace(b"/a", b"/unread"))

        connection.finish()

        assert (await connection.answer()).status == 200


async def test_who_goes_away_is_forgotten(port: int, news: Told, echo: Echo) -> None:
    async with raw_connection(port) as connection:
        await held_back(connection, news)

        connection.reset()

        await eventually(lambda: not news.held)
    assert echo.asked == ["/a"]
