"""A batch's output and error files as a stream of results, and of what cannot be read as one."""

import time
from collections.abc import AsyncIterator, Iterator
from urllib.parse import quote

from polling_api.domain.result import Stray, StrayKind
from polling_api.providers.openai.calls import Calls
from polling_api.providers.openai.lines import KEPT_OF_OVERLONG, LineReader, Overlong
from polling_api.providers.openai.wire import read_result
from polling_api.providers.protocol import Batch, Told, Unanswered

LONGEST_LINE = 16 * 1024 * 1024  # bytes: two generated images of 5 MB in base64, and some; a line is parsed whole
DOWNLOAD_WITHIN = 3600.0  # seconds; a file that trickles in for longer is given up, and fetched anew later


async def results(calls: Calls, batch: Batch) -> AsyncIterator[Told]:
    """Stream the output file, then the error file.

    Raises:
        Unanswered: the stream broke, or took an hour; what was yielded is good.
    """
    for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
        lines = LineReader(LONGEST_LINE)
        until = time.monotonic() + DOWNLOAD_WITHIN
        async with calls.download("content", f"/files/{quote(file_id, safe='')}/content") as chunks:
            async for chunk in chunks:
                for told in _read(lines.feed(chunk)):
                    yield told
                if time.monotonic() > until:
                    raise Unanswered(f"File {file_id} took longer than {DOWNLOAD_WITHIN:g} s.")
        for told in _read(lines.end()):
            yield told


def _read(lines: Iterator[bytes]) -> Iterator[Told]:
    for line in lines:
        if isinstance(line, Overlong):
            yield _stray(StrayKind.OVERLONG, line)
            continue
        try:
            yield read_result(line)
        except ValueError:
            yield _stray(StrayKind.UNREADABLE, line)


def _stray(kind: StrayKind, line: bytes) -> Stray:
    return Stray(kind, line[:KEPT_OF_OVERLONG].decode(errors="replace"))
