import asyncio
import threading
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from polling_api.api.submission import Rules, read_json, read_lines
from polling_api.api.submission.spool import Spool, anonymous_file
from polling_api.errors import Invalid, Unavailable


class FileThatNotesItsWriters(BytesIO):
    def __init__(self) -> None:
        super().__init__()
        self.writers: set[int] = set()

    def write(self, buffer: Any, /) -> int:
        self.writers.add(threading.get_ident())
        return super().write(buffer)


async def test_records_come_back_as_they_were_put() -> None:
    with Spool(anonymous_file()) as spool:
        spool.append("a\n", '{"x":"é"}')
        spool.append("", "{}")
        await spool.drain(everything=True)

        assert list(spool.records()) == [("a\n", '{"x":"é"}'), ("", "{}")]


async def test_a_megabyte_is_written_without_being_asked_for_everything() -> None:
    with Spool(anonymous_file()) as spool:
        spool.append("a", "x" * 1024 * 1024)
        await spool.drain()

        assert len(list(spool.records())) == 1


async def test_writes_leave_the_event_loop_alone() -> None:
    file = FileThatNotesItsWriters()
    with Spool(file) as spool:
        spool.append("a", "x" * 1024 * 1024)
        await spool.drain()

    assert len(file.writers) == 1
    assert threading.get_ident() not in file.writers


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
async def test_a_full_disk_is_told_as_unavailable() -> None:
    with Spool(Path("/dev/full").open("w+b")) as spool:  # noqa: ASYNC230
        spool.append("a", "{}")

        with pytest.raises(Unavailable):
            await spool.drain(everything=True)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not list open files")
async def test_a_refused_batch_leaves_no_file_open(rules: Rules) -> None:
    before = open_files()

    # The errors are kept, and with them every frame that may hold a file.
    with pytest.raises(Invalid) as of_lines:
        await read_lines(_once(b"{}"), rules)
    with pytest.raises(Invalid) as of_json:
        await read_json(_once(b'{"requests":[{}]}'), rules)

    assert open_files() == before
    assert of_lines.value.errors
    assert of_json.value.errors


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not list open files")
async def test_a_reader_that_is_cancelled_leaves_no_file_open(rules: Rules) -> None:
    started = asyncio.Event()

    async def silent() -> AsyncIterator[bytes]:
        yield b'{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{}}\n'
        started.set()
        await asyncio.Event().wait()

    before = open_files()
    reading = asyncio.create_task(read_lines(silent(), rules))
    await started.wait()

    reading.cancel()
    await asyncio.wait([reading])

    assert reading.cancelled()
    assert open_files() == before


async def test_a_draft_can_be_closed_twice(rules: Rules) -> None:
    draft = await read_json(_once(b'{"requests":[{"custom_id":"a","body":{}}]}'), rules)

    draft.close()
    draft.close()

    with pytest.raises(ValueError, match="closed file"):
        list(draft.requests())


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
