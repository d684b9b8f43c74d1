"""A batch's lines on disk, so that they can be uploaded with a known length, and again."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import IO

from polling_api.domain.job import JobError
from polling_api.providers.protocol import Rejected, Unanswered

MOST_INPUT = 200 * 1024 * 1024  # bytes; the Batch API's own bound on an input file
_WRITE_AT_ONCE = 256 * 1024  # bytes; one hop into a thread for many lines


@asynccontextmanager
async def spooled(lines: AsyncIterator[bytes]) -> AsyncGenerator[IO[bytes]]:
    """Write lines to an unnamed temporary file, each with a newline.

    A body sent straight from the database would hold a connection as long as the provider takes, would have to
    be read anew for each attempt, and would have no length, which some servers refuse (411).

    Args:
        lines: without newlines.

    Returns:
        The file, which is gone with the block.

    Raises:
        Rejected: they are more than the provider takes.
        Unanswered: they could not be written, as on a full disk.
    """
    with await asyncio.to_thread(tempfile.TemporaryFile) as file:
        try:
            await _write(lines, file)
        except OSError as error:
            raise Unanswered(f"The batch's input could not be spooled: {error}") from error
        yield file


async def _write(lines: AsyncIterator[bytes], file: IO[bytes]) -> None:
    held, size = bytearray(), 0
    async for line in lines:
        held += line + b"\n"
        size += len(line) + 1
        if size > MOST_INPUT:
            raise Rejected(JobError("input_too_large", f"The batch's input is over {MOST_INPUT} bytes."))
        if len(held) >= _WRITE_AT_ONCE:
            await asyncio.to_thread(file.write, bytes(held))
            held.clear()
    await asyncio.to_thread(file.write, bytes(held))
    await asyncio.to_thread(file.flush)
