"""What a connection is waited on with: three of them in 300 bytes, where `asyncio.Event` takes 760 for each."""

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl


class Flag:
    """As much of `asyncio.Event` as uvicorn uses; what waits is a plain future, and no coroutine around it."""

    __slots__ = ("_raised", "_waiters")

    def __init__(self, *, raised: bool = False) -> None:
        self._raised = raised
        self._waiters: tuple[asyncio.Future[None], ...] = ()  # one at most, mostly

    def set(self) -> None:
        """Let all go on who wait, and who will."""
        self._raised = True
        waiters, self._waiters = self._waiters, ()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def clear(self) -> None:
        """Have those wait who come from now on."""
        self._raised = False

    def wait(self) -> "asyncio.Future[None]":
        """What is done as soon as the flag is set."""
        waiter = asyncio.get_running_loop().create_future()
        if self._raised:
            waiter.set_result(None)
        else:
            self._waiters = (*(one for one in self._waiters if not one.done()), waiter)
        return waiter


class Flow(FlowControl):
    """Uvicorn's flow control of one connection."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._is_writable_event = Flag(raised=True)  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue, reportIncompatibleVariableOverride]
