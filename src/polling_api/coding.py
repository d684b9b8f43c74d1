"""Codings of a body (RFC 9110, section 8.4.1): gzip and Zstandard, of a whole or of a stream in parts.

How hard each tries was measured: see `docs/decisions/0025-compression-and-resumed-downloads.md`.
"""

import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

WORTHWHILE: Final = 1024  # bytes: a shorter body travels in one packet either way

_GZIP_LEVEL: Final = 1  # the levels above it take four times as long for a sixth less
_GZIP_WINDOW: Final = 31  # 32 KiB, with gzip's header, which bears no time: the same body gives the same bytes
_ZSTD: Final[Mapping[int, int]] = {
    zstd.CompressionParameter.compression_level: 3,
    # 256 KiB: with the level's own two megabytes a slow reader's download would hold eight times as much.
    zstd.CompressionParameter.window_log: 18,
}


class Compressor(Protocol):
    """Compresses one stream."""

    def add(self, part: bytes) -> bytes:
        """The coded form of a part; a reader who has it can read the part to its end."""
        ...

    def end(self) -> bytes:
        """What ends the stream; without it a reader knows that it was cut."""
        ...


class Coding(NamedTuple):
    """A coding: its name in `Content-Encoding`, what makes it, and how.

    The same body gives the same bytes wherever `made_by` is the same.
    """

    name: str
    made_by: str
    whole: Callable[[bytes], bytes]
    compressor: Callable[[], Compressor]


class _Gzip:
    def __init__(self) -> None:
        self._stream = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)

    def add(self, part: bytes) -> bytes:
        return self._stream.compress(part) + self._stream.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._stream.flush()


class _Zstd:
    def __init__(self) -> None:
        self._stream = zstd.ZstdCompressor(options=_ZSTD)

    def add(self, part: bytes) -> bytes:
        return self._stream.compress(part, mode=zstd.ZstdCompressor.FLUSH_BLOCK)

    def end(self) -> bytes:
        return self._stream.flush()


def _gzip(body: bytes) -> bytes:
    return zlib.compress(body, _GZIP_LEVEL, _GZIP_WINDOW)


def _zstd(body: bytes) -> bytes:
    return zstd.compress(body, options=_ZSTD)


GZIP: Final = Coding("gzip", f"zlib {zlib.ZLIB_RUNTIME_VERSION}", _gzip, _Gzip)
ZSTD: Final = Coding("zstd", f"zstd {zstd.zstd_version}", _zstd, _Zstd)
