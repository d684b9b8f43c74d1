"""How a download goes on and ends: whole with an end line, or cut and told why, never short in silence."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import orjson
import pytest
from starlette.types import Message

from polling_api.api import result_lines
from polling_api.api.admission import ADMISSION, Admission
from polling_api.api.answers import CUT
from polling_api.api.held import Holding
from polling_api.api.limits import PARTY
from polling_api.api.result_lines import ResultLines
from polling_api.domain.job import Job, Outcome, Progress, Status
from polling_api.errors import Gone, PollingError, TooMany, Unauthenticated, Unavailable
from polling_api.ratelimit import Held, Party
from polling_api.store.result_pages import ResultPage, StoredResult

ENDED = datetime(2026, 11, 23, 9, tzinfo=UTC)
TOTAL, BATCH = 10, 3
SOMEBODY = Party("ip:192.0.2.1", 1000, (("ip:192.0.2.1", 1),), known=False)
AWAY = Unavailable("Nobody is there.", retry_after=1)
JOB = Job(
    id="job_" + "0" * 32,
    version=5,
    status=Status.SUCCEEDED,
    status_version=5,
    progress=Progress(total=TOTAL, completed=TOTAL),
    endpoint="/v1/embeddings",
    provider="simulator",
    created_at=ENDED,
    updated_at=ENDED + timedelta(seconds=1),
)


class Reader:
    """What a client has read, and whether it was told that the body is whole, or its connection was cut.

    Args:
        most: bytes that it takes; then it stops reading.
    """

    def __init__(self, most: float = float("inf")) -> None:
        self._most = most
        self.body = b""
        self.whole = self.cut = False
        self.largest = 0
        self.offered = asyncio.Event()
        self.takes = asyncio.Event()
        self.takes.set()

    async def send(self, message: Message) -> None:
        if message["type"] == CUT:
            self.cut = True
            return
        self.offered.set()
        await self.takes.wait()
        if message["type"] == "http.response.body":
            self.body += message["body"]
            self.largest = max(self.largest, len(message["body"]))
            self.whole = not message.get("more_body")
            if len(self.body) >= self._most:
                self.takes.clear()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.body.splitlines()]


class Leaver(Reader):
    """A client who goes as soon as the answer has begun."""

    async def send(self, message: Message) -> None:
        """Tell as our own server does that nobody is there."""
        if message.get("more_body"):
            raise ConnectionResetError


class Items:
    """The items of the job, read in batches; from the index `fails_at` on that raises `error`, so many `times`."""

    def __init__(
        self,
        *,
        response: str = "{}",
        fails_at: int = TOTAL,
        error: PollingError | None = None,
        times: float = float("inf"),
    ) -> None:
        self._response = response
        self._fails_at = fails_at
        self._error = error
        self._times = times
        self.read: list[int] = []

    async def after(self, index: int) -> ResultPage:
        self.read.append(index)
        first = index + 1
        if self._error is not None and first >= self._fails_at and self._times > 0:
            self._times -= 1
            raise self._error
        items = [
            StoredResult(n, f"item-{n}", Outcome.COMPLETED, self._response, None)
            for n in range(first, min(first + BATCH, TOTAL))
        ]
        return ResultPage(items, first + BATCH < TOTAL)


async def downloaded(
    items: Items,
    admission: Admission | None = None,
    reader: Reader | None = None,
    *,
    holding: Holding | None = None,
    stalled_after: float = 30,
    patient_for: float = 30,
) -> Reader:
    reader = reader or Reader()
    download = ResultLines(
        JOB,
        partial(items.after, -1),
        items.after,
        {"etag": '"1"'},
        holding=holding or Holding(),
        stalled_after=stalled_after,
        patient_for=patient_for,
    )
    asked: dict[str, Any] = {"type": "http", "method": "GET", "extensions": {CUT: {}}}
    scope = {**asked, ADMISSION: admission or Admission(), PARTY: SOMEBODY}
    await download(scope, _never, reader.send)
    return reader


async def _never() -> Message:
    raise AssertionError("a download asks for nothing")


def indexes(lines: Sequence[dict[str, Any]]) -> list[int]:
    return [line["index"] for line in lines]


async def test_a_whole_download_has_every_item_and_an_end() -> None:
    reader = await downloaded(Items())

    *rows, end = reader.lines
    assert (indexes(rows), reader.whole) == ([*range(TOTAL)], True)
    assert end == {"object": "results.end", "count": TOTAL}


@pytest.mark.parametrize("error", [Gone("They were deleted.", code="results_expired"), AWAY])
async def test_what_cannot_go_on_says_why_and_breaks_off(error: PollingError) -> None:
    reader = await downloaded(Items(fails_at=6, error=error), patient_for=0)

    *rows, cut = reader.lines
    assert (indexes(rows), reader.whole) == ([*range(6)], False)
    assert cut == {"object": "results.cut", "code": error.code, "message": error.detail}


async def test_a_database_that_is_away_for_a_moment_is_waited_for() -> None:
    items = Items(fails_at=6, error=AWAY, times=2)

    reader = await downloaded(items)

    assert (indexes(reader.lines[:-1]), reader.whole) == ([*range(TOTAL)], True)
    assert items.read == [-1, 2, 5, 5, 5, 8]


async def test_a_database_that_stays_away_is_waited_for_no_longer_than_readers_wait() -> None:
    items = Items(fails_at=6, error=AWAY)

    reader = await asyncio.wait_for(downloaded(items, patient_for=0.5), 10)

    assert (reader.lines[-1]["code"], reader.whole) == (AWAY.code, False)
    assert items.read[:4] == [-1, 2, 5, 5]


async def test_what_is_gone_is_not_waited_for() -> None:
    items = Items(fails_at=6, error=Gone("They were deleted.", code="results_expired"))

    await downloaded(items)

    assert items.read == [-1, 2, 5]


async def test_nothing_more_is_read_for_a_caller_whose_token_has_ended() -> None:
    answers = iter([None, Unauthenticated("It has ended.", code="invalid_token")])
    items = Items()

    reader = await downloaded(items, Admission(lapsed=lambda: next(answers)))

    assert (indexes(reader.lines[:-1]), reader.lines[-1]["code"], reader.whole) == ([0, 1, 2], "invalid_token", False)


async def test_the_next_batch_is_read_when_the_one_before_is_taken() -> None:
    items, reader = Items(), Reader()
    reader.takes.clear()
    download = asyncio.create_task(downloaded(items, reader=reader))
    await reader.offered.wait()

    assert items.read == [-1]
    reader.takes.set()
    await download
    assert items.read == [-1, 2, 5, 8]


async def test_large_items_are_sent_in_small_pieces() -> None:
    reader = await downloaded(Items(response=f'"{"x" * 1_000_000}"'))

    assert reader.largest == result_lines.PIECE
    assert len(reader.lines) == TOTAL + 1


async def test_a_reader_who_takes_nothing_is_given_up() -> None:
    reader = Reader(most=1_500_000)
    items = Items(response=f'"{"x" * 1_000_000}"')

    await asyncio.wait_for(downloaded(items, reader=reader, stalled_after=0.05), 10)

    assert not reader.whole
    assert items.read == [-1]


async def test_nothing_more_is_read_for_a_reader_who_is_gone() -> None:
    items, reader = Items(), Leaver()

    await downloaded(items, reader=reader)

    assert items.read == [-1]


async def test_a_reader_who_does_not_take_why_it_ends_is_given_up_too() -> None:
    gone = Gone("They were deleted.", code="results_expired")
    reader = Reader(most=len((await downloaded(Items())).body) * 0.25)

    await asyncio.wait_for(downloaded(Items(fails_at=3, error=gone), reader=reader, stalled_after=0.05), 10)

    assert (indexes(reader.lines), reader.whole, reader.cut) == ([0, 1, 2], False, True)


async def test_only_what_is_not_whole_is_cut() -> None:
    readers = [await downloaded(Items()), await downloaded(Items(fails_at=3, error=AWAY), patient_for=0)]

    assert [(reader.whole, reader.cut) for reader in readers] == [(True, False), (False, True)]


async def test_a_download_counts_as_held_from_before_it_reads_until_it_ends() -> None:
    holding, reader, refused = Holding(Held(100, lambda: 0.0)), Reader(), Items()
    reader.takes.clear()
    download = asyncio.create_task(downloaded(Items(), reader=reader, holding=holding))
    await reader.offered.wait()

    with pytest.raises(TooMany, match="held open for you already"):
        await downloaded(refused, holding=holding)
    reader.takes.set()
    await download

    assert refused.read == []
    assert (await downloaded(Items(), holding=holding)).whole


async def test_a_download_whose_process_stops_ends_after_a_batch_and_says_so() -> None:
    holding, items, reader = Holding(), Items(), Reader()
    reader.takes.clear()
    download = asyncio.create_task(downloaded(items, reader=reader, holding=holding))
    await reader.offered.wait()

    await holding.drain(0)
    reader.takes.set()
    await download

    assert (indexes(reader.lines[:-1]), reader.lines[-1]["code"], reader.whole) == ([0, 1, 2], "draining", False)
    with pytest.raises(Unavailable, match="going away"):
        await downloaded(Items(), holding=holding)
