"""Answers that somebody else writes: at once where the socket takes them, later where it does not."""

import asyncio
from contextvars import ContextVar

import pytest
from starlette.types import Message

from polling_api.api.held import SteppedSend

FIRST, SECOND = {"type": "http.response.start"}, {"type": "http.response.body"}
OWN = "the request's own"
correlation: ContextVar[str] = ContextVar("correlation")


class Socket:
    """A server's `send` and `receive`, which take nothing while the socket is full."""

    def __init__(self) -> None:
        self.sent: list[tuple[Message, str]] = []
        self.broken = False
        self._room = asyncio.Event()
        self._room.set()
        self._left = asyncio.Event()

    def fill(self) -> None:
        self._room.clear()

    def drain(self) -> None:
        self._room.set()

    def leave(self) -> None:
        self._left.set()

    async def send(self, message: Message) -> None:
        if self.broken:
            raise ConnectionResetError
        await self._room.wait()
        self.sent.append((message, correlation.get("nobody's")))

    async def receive(self) -> Message:
        await self._left.wait()
        return {"type": "http.disconnect"}


class Request:
    """A request whose own task does nothing but sleep."""

    def __init__(self, socket: Socket, name: str) -> None:
        self.socket = socket
        self.ready = 0
        self.told = asyncio.Event()
        self.then: tuple[Message, ...] = ()
        self._name = name
        self._began = asyncio.Event()
        self.task = asyncio.create_task(self._serve())

    async def begun(self) -> SteppedSend:
        await self._began.wait()
        return self.sending

    async def _serve(self) -> None:
        correlation.set(self._name)
        self.sending = SteppedSend(self.socket.send, ready=self._be_ready)
        self._began.set()
        await self.sending.until_gone(self.socket.receive)

    def _be_ready(self) -> None:
        self.ready += 1
        if self.then:
            self.sending.write(*self.then)
        self.told.set()


@pytest.fixture
def socket() -> Socket:
    return Socket()


async def written(sending: SteppedSend) -> None:
    """Return when nothing waits for the socket any more."""
    async with asyncio.timeout(15):
        while sending.busy:  # noqa: ASYNC110 - a few turns of the loop
            await asyncio.sleep(0)


async def test_what_the_socket_takes_is_sent_before_the_writer_goes_on(socket: Socket) -> None:
    request = Request(socket, OWN)
    sending = await request.begun()

    sending.write(FIRST, SECOND)

    assert [message for message, _ in socket.sent] == [FIRST, SECOND]
    assert not sending.busy
    assert request.ready == 0
    socket.leave()
    await request.task


async def test_the_owner_writes_what_it_has_since_as_soon_as_it_is_told(socket: Socket) -> None:
    request = Request(socket, OWN)
    sending = await request.begun()
    request.then = (SECOND,)
    socket.fill()

    sending.write(FIRST)
    socket.drain()
    await asyncio.wait_for(request.told.wait(), 15)

    assert [message for message, _ in socket.sent] == [FIRST, SECOND]
    socket.leave()
    await request.task


async def test_what_the_socket_does_not_take_is_sent_when_it_has_room_and_the_owner_is_told(socket: Socket) -> None:
    request = Request(socket, OWN)
    sending = await request.begun()
    socket.fill()

    sending.write(FIRST, SECOND)
    assert sending.busy
    assert socket.sent == []
    socket.drain()
    await written(sending)
    await asyncio.wait_for(request.told.wait(), 15)

    assert [message for message, _ in socket.sent] == [FIRST, SECOND]
    assert request.ready == 1
    socket.leave()
    await request.task


async def test_whoever_writes_it_is_in_the_context_of_the_request(socket: Socket) -> None:
    request = Request(socket, OWN)
    sending = await request.begun()
    correlation.set("another's")

    sending.write(FIRST)
    socket.fill()
    sending.write(SECOND)
    socket.drain()
    await written(sending)

    assert socket.sent == [(FIRST, OWN), (SECOND, OWN)]
    socket.leave()
    await request.task


async def test_a_socket_that_breaks_ends_its_own_request_and_nobody_else_hears_of_it(socket: Socket) -> None:
    request = Request(socket, OWN)
    sending = await request.begun()
    socket.broken = True

    sending.write(FIRST)

    async with asyncio.timeout(15):
        await request.task


async def test_a_request_that_is_cancelled_by_the_server_stays_cancelled(socket: Socket) -> None:
    request = Request(socket, OWN)
    await request.begun()

    request.task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await request.task


async def test_a_write_that_is_given_up_is_never_finished(socket: Socket) -> None:
    request = Request(socket, OWN)
    sending = await request.begun()
    socket.fill()
    sending.write(FIRST)

    sending.abandon()
    socket.leave()
    await request.task
    socket.drain()

    assert socket.sent == []
