"""Clients that try out ids at a rate of their own, and honest ones beside them."""

import asyncio
import re
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from urllib.parse import urlsplit

from stand.load import get

_LENGTH = re.compile(rb"content-length: (\d+)\r\n")
_AT_ONCE = 8  # requests that are sent before their answers are read, where the rate is behind


class _Client:
    """One connection, on which each request says whom it is from."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def _connect(self) -> None:
        address = urlsplit(self._url)
        self._reader, self._writer = await asyncio.open_connection(address.hostname, address.port)

    def _send(self, path: str, caller: str) -> None:
        self._writer.write(get(self._url, path, f"X-Forwarded-For: {caller}"))

    async def _status(self) -> int:
        head = await self._reader.readuntil(b"\r\n\r\n")
        if length := _LENGTH.search(head):
            await self._reader.readexactly(int(length[1]))
        return int(head[9:12])


class Guesser(_Client):
    """Asks for one job after another that is not there, from one of its addresses after the other.

    Args:
        url: of the worker.
        callers: its addresses.
        rate: ids a second; fewer where the worker, or we, cannot keep up.

    Attributes:
        told: how often each status was the answer.
    """

    def __init__(self, url: str, callers: Sequence[str], rate: float) -> None:
        super().__init__(url)
        self._callers = callers
        self._rate = rate
        self.told = Counter[int]()

    async def guess(self) -> None:
        """Go on until cancelled."""
        await self._connect()
        began, sent = time.perf_counter(), 0
        while True:
            behind = (time.perf_counter() - began) * self._rate - sent
            if behind < 1:
                await asyncio.sleep((1 - behind) / self._rate)
                continue
            burst = min(int(behind), _AT_ONCE)
            for number in range(sent, sent + burst):
                self._send(f"/api/v1/jobs/job_{secrets.token_hex(16)}", self._callers[number % len(self._callers)])
            for _ in range(burst):
                self.told[await self._status()] += 1
            sent += burst


class Honest(_Client):
    """Polls one job now and then.

    Args:
        url: of the worker.
        path: of the job.
        caller: its address.

    Attributes:
        took: how long each answer took, in seconds.
        refused: how many were neither `200` nor `304`.
    """

    def __init__(self, url: str, path: str, caller: str) -> None:
        super().__init__(url)
        self._path = path
        self._caller = caller
        self.took: list[float] = []
        self.refused = 0

    async def poll(self, every: float) -> None:
        """Poll each so many seconds, until cancelled; begun at a random moment."""
        await asyncio.sleep(secrets.randbelow(1000) / 1000 * every)
        await self._connect()
        while True:
            began = time.perf_counter()
            self._send(self._path, self._caller)
            status = await self._status()
            self.took.append(time.perf_counter() - began)
            self.refused += status not in {200, 304}
            await asyncio.sleep(every)
