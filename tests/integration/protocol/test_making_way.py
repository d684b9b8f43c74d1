"""Requests that wait while thousands are told what was waited for."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from tests.integration.protocol.conftest import PATIENT, Echo, serving
from uvicorn.server import ServerState

from in_process.deadlines import eventually
from polling_api.resilience.news_first import NewsFirst, Patient
from running.raw import RawConnection, ask, raw_connection

REQUEST = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
AGAIN = REQUEST.replace(b"/a", b"/again")


class Told(NewsFirst):
    """News that is told for as long as a test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Patient] = []
        self.ends: list[Callable[[], object]] = []

    def begin(self) -> None:
        self.telling = True

    def end(self) -> None:
        self.telling = False
        for end in self.ends:
            end()
        while self.held:
            self.held.pop(0).go_on()

    def end_first(self, end: Callable[[], object]) -> None:
        self.ends.append(end)

    def hold_back(self, patient: Patient) -> None:
        self.held.append(patient)

    def forget(self, patient: Patient) -> None:
        self.held.remove(patient)


@pytest.fixture
def news() -> Told:
    return Told()


@pytest.fixture
async def port(echo: Echo, news: Told) -> AsyncIterator[int]:
    async with serving(echo, PATIENT, news=news) as listening:
        yield listening


async def told(connection: RawConnection, news: Told) -> None:
    """An answer that is news, as the end of a wait is."""
    news.begin()
    await connection.send(REQUEST)
    assert (await connection.answer()).status == 200


async def test_who_was_answered_meanwhile_is_read_when_all_is_told(port: int, news: Told, echo: Echo) -> None:
    async with raw_connection(port) as connection:
        await told(connection, news)
        await connection.send(AGAIN)
        assert (await ask(port, REQUEST)).status == 200  # so what came before that was there to be read
        asked = list(echo.asked)

        news.end()

        assert (await connection.answer()).status == 200
        assert asked == ["/a", "/a"]
        assert echo.asked == ["/a", "/a", "/again"]


async def test_who_is_answered_before_or_after_is_read_at_once(port: int, news: Told) -> None:
    async with raw_connection(port) as before, raw_connection(port) as after:
        await before.send(REQUEST)
        await before.answer()
        news.begin()
        await before.send(REQUEST)
        assert (await before.answer()).status == 200

        news.end()
        for _ in range(2):
            await after.send(REQUEST)
            assert (await after.answer()).status == 200


async def test_what_was_asked_before_an_answer_is_answered_behind_it(port: int, news: Told, echo: Echo) -> None:
    news.begin()
    async with raw_connection(port) as connection:
        await connection.send(REQUEST + AGAIN)

        assert (await connection.answer()).status == 200
        assert (await connection.answer()).status == 200
    assert echo.asked == ["/a", "/again"]


async def test_what_an_answered_request_holds_is_given_back_when_all_is_told(port: int, news: Told, echo: Echo) -> None:
    async with raw_connection(port) as connection:
        await connection.send(REQUEST.replace(b"/a", b"/hold"))
        await echo.held.wait()
        assert echo.answer is not None
        news.begin()
        await echo.answer()
        assert (await connection.answer()).status == 200
        assert (await ask(port, REQUEST)).status == 200
        gone = echo.gone.is_set()

        news.end()

        await asyncio.wait_for(echo.gone.wait(), 10)
        assert not gone


async def test_who_asks_and_closes_its_side_is_answered_all_the_same(port: int, news: Told) -> None:
    async with raw_connection(port) as connection:
        await told(connection, news)
        await connection.send(REQUEST.replace(b"/a", b"/unread"))
        connection.finish()

        news.end()

        assert (await connection.answer()).status == 200


async def test_who_asked_before_the_server_ends_is_answered_and_closed(news: Told, echo: Echo) -> None:
    state = ServerState()
    async with serving(echo, PATIENT, news=news, state=state) as port, raw_connection(port) as connection:
        await told(connection, news)
        await connection.send(AGAIN)
        assert (await ask(port, REQUEST)).status == 200

        for one in tuple(state.connections):
            one.shutdown()

        assert (await connection.answer()).status == 200
        assert await connection.rest() == b""


async def test_who_is_cut_off_is_forgotten(news: Told, echo: Echo) -> None:
    state = ServerState()
    async with serving(echo, PATIENT, news=news, state=state) as port, raw_connection(port) as connection:
        await told(connection, news)
        await connection.send(AGAIN)

        for one in tuple(state.connections):
            one.transport.abort()

        await eventually(lambda: not news.held)
    assert echo.asked == ["/a"]
