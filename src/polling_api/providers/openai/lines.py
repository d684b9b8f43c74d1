"""Chunks of bytes into lines, each of bounded length."""

from collections.abc import Iterator

KEPT_OF_OVERLONG = 4096  # bytes: enough to see what it was


class Overlong(bytes):
    """The beginning of a line that was too long to be read."""


class LineReader:
    """Joins chunks and yields whole lines, without their ends.

    Only a line feed ends a line: what `str.splitlines` takes for one (U+2028 and others) may stand unescaped
    within a JSON text. Of a line over `longest` bytes all but its beginning is dropped as it arrives, and it is
    yielded as `Overlong` when it has ended. Empty lines are dropped.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._held = bytearray()
        self._overlong = False

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
        overlong, self._overlong = self._overlong, False
        self._held.clear()
        if overlong:
            yield Overlong(line)
        elif line:
            yield line

    def _hold(self, part: bytes) -> None:
        self._overlong = self._overlong or len(self._held) + len(part) > self._longest
        if self._overlong:
            self._held += part[:KEPT_OF_OVERLONG]
            del self._held[KEPT_OF_OVERLONG:]
        else:
            self._held += part
