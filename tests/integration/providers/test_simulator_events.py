"""The simulator's events, as a receiver with the provider's own library sees them."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from openai import AsyncOpenAI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.integration.providers.conftest import served

from in_process.deadlines import eventually
from polling_api.providers.simulator.course import BatchRecord, Pace, cancelled
from polling_api.providers.simulator.faults import Fault, FaultBook, FaultKind
from polling_api.providers.simulator.folder import Folder
from polling_api.providers.simulator.pushes import PAUSES, Pusher, Receiver
from polling_api.webhooks.standard import Message, key_of, secret_of, signed

SECRET = secret_of(b"made up for the tests of events!")


class Heard(NamedTuple):
    """An event: the id of its message, its type, and the batch."""

    message_id: str
    kind: str
    batch_id: str


class Ear:
    """What was received: events by id of their message, and how the next are answered."""

    def __init__(self) -> None:
        self.url = ""
        self.events: asyncio.Queue[Heard] = asyncio.Queue()
        self.forged = 0
        self.refusals: list[int] = []
        self._client = AsyncOpenAI(api_key="none", webhook_secret=SECRET)

    async def hear(self, request: Request) -> Response:
        if self.refusals:
            return Response(status_code=self.refusals.pop())
        try:
            event = self._client.webhooks.unwrap(await request.body(), request.headers)
        except ValueError:
            self.forged += 1
            return Response(status_code=401)
        told = event.to_dict()
        self.events.put_nowait(Heard(request.headers["webhook-id"], event.type, cast("Any", told["data"])["id"]))
        return Response(status_code=204)

    async def next(self) -> Heard:
        async with asyncio.timeout(20):
            return await self.events.get()


@pytest.fixture
async def ear() -> AsyncIterator[Ear]:
    ear = Ear()
    async with served(Starlette(routes=[Route("/in", ear.hear, methods=["POST"])])) as origin:
        ear.url = f"{origin}/in"
        yield ear


class Pushing:
    """A pusher, its folder, and how its events go wrong."""

    def __init__(self, ear: Ear, path: Path, pauses: Sequence[float] = PAUSES) -> None:
        def sign(message_id: str, timestamp: int, body: bytes) -> str:
            return signed(key_of(SECRET), Message(message_id, timestamp), body)

        self.folder, self.book, self.counts = Folder(path), FaultBook(), Counter[str]()
        self.pusher = Pusher(Receiver(ear.url, sign), self.folder, self.book, time.time, self.counts, pauses)

    def batch(self, name: str, script: str, *, ago: float = 0.0) -> BatchRecord:
        record = BatchRecord(
            id=name,
            number=self.folder.next_number(),
            input_file_id="file-1",
            endpoint="/v1/responses",
            created_at=time.time() - ago,
            total=4,
            pace=Pace(cancelling=0.05),
            metadata={"simulator": script},
        )
        self.keep(record)
        return record

    def keep(self, record: BatchRecord) -> None:
        self.folder.keep_batch(record)
        self.pusher.note(record)

    async def counted(self, **wanted: int) -> None:
        await eventually(lambda: self.counts == wanted)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        task = asyncio.create_task(self.pusher.run())
        try:
            yield
            assert not task.done(), task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def pushing(ear: Ear, tmp_path: Path) -> Pushing:
    return Pushing(ear, tmp_path)


@pytest.mark.parametrize(
    ("end", "kind"),
    [("succeeded", "batch.completed"), ("failed", "batch.failed"), ("expired", "batch.expired")],
)
async def test_the_providers_library_believes_the_event_of_each_end(
    ear: Ear, pushing: Pushing, end: str, kind: str
) -> None:
    async with pushing.running():
        pushing.batch("batch_1", f"in_progress 0.1s, {end}")

        event = await ear.next()

    assert event.kind == kind
    assert event.batch_id == "batch_1"


async def test_a_batch_that_is_cancelled_has_one_event_at_its_new_end(ear: Ear, pushing: Pushing) -> None:
    async with pushing.running():
        pushing.keep(cancelled(pushing.batch("batch_1", "in_progress 0.3s, succeeded"), time.time()))
        pushing.batch("batch_2", "in_progress 0.6s, succeeded")

        events = [await ear.next() for _ in range(2)]

    assert [(event.kind, event.batch_id) for event in events] == [
        ("batch.cancelled", "batch_1"),
        ("batch.completed", "batch_2"),
    ]


async def test_an_event_that_is_refused_is_sent_again_as_the_same_message(ear: Ear, pushing: Pushing) -> None:
    ear.refusals = [503]
    async with pushing.running():
        pushing.batch("batch_1", "in_progress 0.05s, succeeded")
        await ear.next()
        await pushing.counted(refused=1, taken=1)


async def test_an_event_that_nobody_takes_is_lost_after_four_tries(ear: Ear, tmp_path: Path) -> None:
    pushing = Pushing(ear, tmp_path, pauses=(0.0, 0.0, 0.0))
    ear.refusals = [500] * 4
    async with pushing.running():
        pushing.batch("batch_1", "in_progress 0.05s, succeeded")
        pushing.batch("batch_2", "in_progress 0.6s, succeeded")
        event = await ear.next()
        await pushing.counted(refused=4, lost=1, taken=1)

    assert event.batch_id == "batch_2"


async def test_a_doubled_event_is_one_message_twice(ear: Ear, pushing: Pushing) -> None:
    pushing.book.add(Fault(kind=FaultKind.PUSH_DOUBLED))
    async with pushing.running():
        pushing.batch("batch_1", "in_progress 0.05s, succeeded")
        first, second = await ear.next(), await ear.next()

    assert first == second


async def test_a_forged_event_is_not_believed_and_a_lost_one_never_sent(ear: Ear, pushing: Pushing) -> None:
    pushing.book.add(Fault(kind=FaultKind.PUSH_FORGED))
    pushing.book.add(Fault(kind=FaultKind.PUSH_LOST))
    async with pushing.running():
        for number in range(3):
            pushing.batch(f"batch_{number}", f"in_progress 0.{1 + 2 * number}s, succeeded")
        event = await ear.next()
        await pushing.counted(refused=1, lost=1, taken=1)

    assert event.batch_id == "batch_2"
    assert ear.forged == 1


async def test_after_a_start_only_ends_to_come_are_told(ear: Ear, pushing: Pushing, tmp_path: Path) -> None:
    pushing.batch("batch_1", "in_progress 5s, succeeded", ago=60)
    pushing.batch("batch_2", "in_progress 60.5s, succeeded", ago=60)

    again = Pushing(ear, tmp_path)
    async with again.running():
        event = await ear.next()

    assert event.batch_id == "batch_2"
    assert ear.events.empty()


def test_a_fault_of_events_is_no_fault_of_calls() -> None:
    book = FaultBook()
    book.add(Fault(kind=FaultKind.PUSH_LOST))
    book.add(Fault(kind=FaultKind.DROP))

    call, event = book.take("GET", "/v1/batches"), book.take_of_push()

    assert call is not None
    assert event is not None
    assert (call.kind, event.kind) == (FaultKind.DROP, FaultKind.PUSH_LOST)
