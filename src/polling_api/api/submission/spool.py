"""The file in which a submission's checked requests wait until they are stored.

An open transaction hides other jobs' commits, so a batch is first read to its end, and then stored in one go;
and 200 MB do not belong in memory.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from struct import Struct
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self

from polling_api.errors import Unavailable

_SIZES = Struct("<II")  # of a record's custom_id and body, in bytes
_WRITE_AT = 1024 * 1024  # bytes; a write of that size is worth its way through a thread


def anonymous_file() -> IO[bytes]:
    """A file without a name: whatever becomes of the process, the system takes it back."""
    return TemporaryFile()


class Spool:
    """Records in the order they came, in `file`. It is as large as what was submitted, at most."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._pending = bytearray()

    def append(self, custom_id: str, body: str) -> None:
        """Add a record, in memory until the next `drain`."""
        name, text = custom_id.encode(), body.encode()
        self._pending += _SIZES.pack(len(name), len(text))
        self._pending += name
        self._pending += text

    async def drain(self, *, everything: bool = False) -> None:
        """Write what has gathered, once it is a megabyte, or `everything` there is.

        In a thread: such writes end in the page cache, in some 0.3 ms, until a disk falls behind; then the
        kernel holds the writer back, and that must not be the event loop.

        Raises:
            Unavailable: the disk is full or broken.
        """
        if not everything and len(self._pending) < _WRITE_AT:
            return
        chunk, self._pending = self._pending, bytearray()
        try:
            await asyncio.to_thread(self._write, chunk)
        except OSError as error:
            raise Unavailable("There is no room for an upload of this size now.") from error

    def records(self) -> Iterator[tuple[str, str]]:
        """Every drained (custom_id, body), from the first on; one iteration at a time."""
        self._file.seek(0)
        while sizes := self._file.read(_SIZES.size):
            name_size, text_size = _SIZES.unpack(sizes)
            yield self._file.read(name_size).decode(), self._file.read(text_size).decode()

    def close(self) -> None:
        """Give the file's space back."""
        # A write under way is waited for. What could not be written is not wanted any more.
        with suppress(OSError):
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, chunk: bytearray) -> None:
        self._file.write(chunk)
        self._file.flush()
