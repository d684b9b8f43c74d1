"""Chunks of bytes into lines, each of bounded length."""

from collections.abc import Iterator


class LineReader:
    """Joins chunks and yields whole lines, without their ends.

    Only a line feed ends a line: what `str.splitlines` takes for one (U+2028 and others) may stand unescaped
    within a JSON text. A line over `longest` bytes is dropped as it arrives and counted in `overlong`. Empty
    lines are dropped.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._held = bytearray()
        self._dropping = False
        self.overlong = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take a chunk; yield the lines that end in it."""
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._hold(part)
            yield from self.end()
        self._hold(rest)

    def end(self) -> Iterator[bytes]:
        """Yield what is held as a line: the last may lack its end."""
        line = bytes(self._held).strip()
        self._held.clear()
        self._dropping = False
        if line:
            yield line

    def _hold(self, part: bytes) -> None:
        if self._dropping:
            return
        if len(self._held) + len(part) > self._longest:
            self._held.clear()
            self._dropping = True
            self.overlong += 1
            return
        self._held += part
