"""A batch's output and error files as a stream of results."""

import time
from collections.abc import AsyncIterator, Iterator
from urllib.parse import quote

import structlog

from polling_api.domain.result import ItemResult
from polling_api.providers.openai.calls import Calls
from polling_api.providers.openai.lines import LineReader
from polling_api.providers.openai.wire import read_result
from polling_api.providers.protocol import Batch, Unanswered

LONGEST_LINE = 16 * 1024 * 1024  # bytes: two generated images of 5 MB in base64, and some; a line is parsed whole
DOWNLOAD_WITHIN = 3600.0  # seconds; a file that trickles in for longer is given up, and fetched anew later

_log = structlog.get_logger(__name__)


async def results(calls: Calls, batch: Batch) -> AsyncIterator[ItemResult]:
    """Stream the output file, then the error file.

    Raises:
        Unanswered: the stream broke, or took an hour; what was yielded is good.
    """
    for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
        reader = _ResultReader()
        until = time.monotonic() + DOWNLOAD_WITHIN
        async with calls.download("content", f"/files/{quote(file_id, safe='')}/content") as chunks:
            async for chunk in chunks:
                for result in reader.feed(chunk):
                    yield result
                if time.monotonic() > until:
                    raise Unanswered(f"File {file_id} took longer than {DOWNLOAD_WITHIN:g} s.")
        for result in reader.end():
            yield result
        if reader.skipped:
            _log.warning("result_lines_skipped", batch_id=batch.id, file_id=file_id, skipped=reader.skipped)


class _ResultReader:
    """Chunks of a file into results; `skipped` counts the lines that cannot be read, or are too long."""

    def __init__(self) -> None:
        self._lines = LineReader(LONGEST_LINE)
        self._unreadable = 0

    @property
    def skipped(self) -> int:
        return self._unreadable + self._lines.overlong

    def feed(self, chunk: bytes) -> Iterator[ItemResult]:
        yield from self._read(self._lines.feed(chunk))

    def end(self) -> Iterator[ItemResult]:
        yield from self._read(self._lines.end())

    def _read(self, lines: Iterator[bytes]) -> Iterator[ItemResult]:
        for line in lines:
            try:
                yield read_result(line)
            except ValueError:
                self._unreadable += 1
