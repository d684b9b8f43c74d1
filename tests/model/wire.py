"""Calls out of a process: carried out at one step, answered at a later one, or not at all."""

import asyncio
from collections.abc import Callable
from math import inf
from typing import Any, Final, Protocol, TypeVar

from model.loop import PROCESS, ModelLoop, Process

ANSWERED_WITHIN: Final = 0.5  # seconds: as slow as a server gets that is not away

T = TypeVar("T")


class Server(Protocol):
    """Who is called."""

    @property
    def away(self) -> bool:
        """Whether it can be reached by nobody."""
        ...

    def error(self, reason: str) -> Exception:
        """What a caller hears who is not answered."""
        ...


class Call:
    """One call. Whoever makes it may give it up, or die; what it asked for may be done nevertheless."""

    __slots__ = (
        "_error",
        "_execute",
        "_result",
        "_server",
        "_wire",
        "answered",
        "name",
        "process",
        "rank",
        "taken",
        "until",
    )

    def __init__(
        self,
        wire: "Wire",
        server: Server,
        name: str,
        execute: Callable[[], Any],
        answered: asyncio.Future[Any],
        within: float,
    ) -> None:
        self.process: Process = PROCESS.get()
        self.name = name
        self.until = wire.loop.now + within
        self.answered = answered
        self.taken = False
        self.rank = 0
        self._wire = wire
        self._server = server
        self._execute = execute
        self._result: Any = None
        self._error: Exception | None = None

    def __str__(self) -> str:
        return f"{self.process}'s {self.name}"

    @property
    def next(self) -> Callable[[], object]:
        """See `Pending`."""
        return self.answer if self.taken else self.take

    @property
    def heard(self) -> bool:
        """Whether anybody waits for the answer."""
        return self.process.alive and not self.answered.done()

    def take(self) -> None:
        """Have the server carry it out."""
        self.taken = True
        if self._server.away:
            self._error = self._server.error(f"{self.name}: nobody is there")
            self._wire.failed(self)
        else:
            self._result = self._execute()
        if not self.heard:
            self._wire.calls.remove(self)

    def answer(self) -> None:
        """Let the caller have the answer."""
        self._wire.calls.remove(self)
        if not self.heard:
            return
        if self._error is not None:
            self.answered.set_exception(self._error)
        else:
            self.answered.set_result(self._result)

    def fail(self) -> None:
        """Break the connection: before it is carried out, or else before it is answered."""
        self._error = self._server.error(f"{self.name}: hung up")
        self._wire.failed(self)
        self.answer()


class Wire:
    """What is under way between processes and servers.

    Args:
        loop: of all of them.

    Attributes:
        calls: not answered yet, in the order in which they were made.
        failed: told of each call that is broken off.
    """

    def __init__(self, loop: ModelLoop, failed: Callable[[Call], None]) -> None:
        self.loop = loop
        self.calls: list[Call] = []
        self.failed = failed

    def orphan(self, process: Process) -> None:
        """Let nobody hear the answers to what a dead process has asked; what it has sent is carried out."""
        self.calls = [call for call in self.calls if call.process is not process or not call.taken]

    @property
    def asking(self) -> set[Process]:
        """The processes that wait for a server's answer."""
        return {call.process for call in self.calls if call.until != inf}

    async def call(
        self,
        server: Server,
        name: str,
        execute: Callable[[], T],
        *,
        writes: bool = False,
        within: float = ANSWERED_WITHIN,
    ) -> T:
        """Call a server.

        Args:
            server: is called.
            name: of the call, for whoever reads a schedule.
            execute: what it does, as one step.
            writes: whether it is to be done though the caller has given it up.
            within: seconds; infinite for what is no server of ours.

        Raises:
            Exception: the server's, where there is no answer.
        """
        call = Call(self, server, name, execute, self.loop.create_future(), within)
        self.calls.append(call)
        try:
            return await call.answered
        except asyncio.CancelledError:
            if call in self.calls and (call.taken or not writes):
                self.calls.remove(call)
            raise
