"""Events: the simulator says by itself that a batch has ended, as OpenAI does (Standard Webhooks).

An event that is not taken is sent again some times, with the same id; then it is lost. What ends while the simulator is
down is lost too.
"""

import asyncio
import heapq
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import httpx
import orjson
import structlog

from polling_api.providers.simulator.course import BatchRecord, ending_of
from polling_api.providers.simulator.faults import LONGEST_LATENCY, FaultBook, FaultKind
from polling_api.providers.simulator.folder import Folder

MOST_UNDER_WAY = 1000  # events; more are lost, as with a provider that has too much to do
AT_ONCE = 16  # requests
WITHIN = 5.0  # seconds for one try
PAUSES = (0.5, 1.0, 2.0)  # seconds between the tries of an event

_log = structlog.get_logger(__name__)

Sign = Callable[[str, int, bytes], str]
"""Signs a message's id, Unix seconds and body; answers the value of `webhook-signature`."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where events go, and how they are signed; `host` is what they name as `Host`, if not the url's own."""

    url: str
    sign: Sign
    host: str | None = None


class Pusher:
    """Sends an event as soon as a batch has ended.

    Args:
        receiver: where to.
        folder: the batches.
        book: how events go wrong.
        clock: Unix seconds.
        counts: events by what became of them: `taken`, `refused` (each time), `lost`.
        pauses: seconds between the tries of an event, which is one try more.
    """

    def __init__(
        self,
        receiver: Receiver,
        folder: Folder,
        book: FaultBook,
        clock: Callable[[], float],
        counts: Counter[str],
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self._receiver = receiver
        self._folder = folder
        self._book = book
        self._clock = clock
        self._counts = counts
        self._pauses = pauses
        self._ends: list[tuple[float, str]] = []
        self._changed = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(AT_ONCE)
        for record in folder.batches.values():
            if ending_of(record).at > clock():
                self.note(record)

    def note(self, record: BatchRecord) -> None:
        """A batch is there, or will end otherwise than it was going to."""
        heapq.heappush(self._ends, (ending_of(record).at, record.id))
        self._changed.set()

    async def run(self) -> None:
        """Send events until cancelled."""
        host = {"Host": self._receiver.host} if self._receiver.host else {}
        async with httpx.AsyncClient(timeout=WITHIN, trust_env=False, headers=host) as client:
            try:
                while True:
                    await self._until_an_end()
                    while self._ends and self._ends[0][0] <= self._clock():
                        at, batch_id = heapq.heappop(self._ends)
                        self._begin(client, at, batch_id)
            finally:
                for task in self._under_way:
                    task.cancel()
                await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _until_an_end(self) -> None:
        self._changed.clear()
        seconds = self._ends[0][0] - self._clock() if self._ends else None
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def _begin(self, client: httpx.AsyncClient, at: float, batch_id: str) -> None:
        record = self._folder.batches.get(batch_id)
        if record is None or ending_of(record).at != at:  # it was cancelled meanwhile, and ends at another time
            return
        if len(self._under_way) >= MOST_UNDER_WAY:
            self._counts["lost"] += 1
            return
        task = asyncio.create_task(self._send(client, _event(record)))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _send(self, client: httpx.AsyncClient, event: Mapping[str, object]) -> None:
        fault = self._book.take_of_push()
        kind = fault.kind if fault else None
        if kind is FaultKind.PUSH_LOST:
            self._counts["lost"] += 1
            return
        if fault and kind is FaultKind.PUSH_LATE:
            await asyncio.sleep(min(fault.number(1), LONGEST_LATENCY))
        message_id, body = f"wh_{secrets.token_hex(16)}", orjson.dumps(event)
        if kind is FaultKind.PUSH_FORGED:
            await self._try(client, message_id, body, signed=b"what was never sent")
            return
        for _ in range(2 if kind is FaultKind.PUSH_DOUBLED else 1):
            await self._insist(client, message_id, body)

    async def _insist(self, client: httpx.AsyncClient, message_id: str, body: bytes) -> None:
        for pause in (*self._pauses, None):
            if await self._try(client, message_id, body, signed=body):
                return
            if pause is not None:
                await asyncio.sleep(pause)
        self._counts["lost"] += 1

    async def _try(self, client: httpx.AsyncClient, message_id: str, body: bytes, *, signed: bytes) -> bool:
        now = int(self._clock())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(now),
            "webhook-signature": self._receiver.sign(message_id, now, signed),
        }
        async with self._turns:
            try:
                answer = await client.post(self._receiver.url, content=body, headers=headers)
            except httpx.TransportError as error:
                _log.warning("event not sent", reason=str(error) or type(error).__name__)
                self._counts["refused"] += 1
                return False
        self._counts["taken" if answer.is_success else "refused"] += 1
        return answer.is_success


def _event(record: BatchRecord) -> Mapping[str, object]:
    ending = ending_of(record)
    return {
        "id": f"evt_{secrets.token_hex(16)}",
        "object": "event",
        "created_at": int(ending.at),
        "type": f"batch.{ending.status}",
        "data": {"id": record.id},
    }
