"""A whole answer as the bytes that are written for it (RFC 9112). Pure."""

from functools import lru_cache
from http import HTTPStatus

from polling_api.api.header_lines import KeptHeaders, lines_of
from polling_api.representation import Headers

_STATUS_LINES = {status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
_WITHOUT_BODY = frozenset({204, 304})  # they never have one, and say nothing of its length
_CLOSE = (b"connection", b"close")
_CLOSE_LINE = b"connection: close\r\n"
_CHUNKED = b"transfer-encoding: chunked\r\n"


def written(status: int, headers: Headers, outer: bytes, body: bytes, *, closes: bool, to_head: bool) -> bytes:
    """An answer from its first byte to its last.

    Args:
        status: a registered one.
        headers: its own.
        outer: the lines of those that it has been given on its way.
        body: empty for 204 and 304.
        closes: whether the connection ends with it, which it says then.
        to_head: whether it answers a `HEAD`, and so comes without its body.

    Raises:
        ValueError: a header would end its line, or says another length than the body's.
    """
    lines = _lines(status, headers, body, to_head=to_head)
    close = _CLOSE_LINE if closes and _CLOSE not in headers else b""
    return b"".join((_STATUS_LINES[status], lines, outer, close, b"\r\n", b"" if to_head else body))


def begun(status: int, headers: Headers, outer: bytes, body: bytes, *, closes: bool) -> bytes:
    """The head of an answer whose end is not known yet, and the first part of its body.

    Args:
        status: a registered one, of an answer with a body.
        headers: its own; they say no length.
        outer: as for `written`.
        body: the first part; none where it is empty.
        closes: as for `written`.

    Raises:
        ValueError: a header would end its line.
    """
    lines = headers.lines if isinstance(headers, KeptHeaders) else lines_of(headers)
    close = _CLOSE_LINE if closes and _CLOSE not in headers else b""
    return b"".join((_STATUS_LINES[status], lines, outer, close, _CHUNKED, b"\r\n", chunk(body) if body else b""))


@lru_cache(maxsize=1)  # ten thousand streams of one job are sent the same part, one after the other
def chunk(body: bytes) -> bytes:
    """A part of a body whose length is not told beforehand (RFC 9112, section 7.1); not an empty one, which ends it."""
    return b"%x\r\n%b\r\n" % (len(body), body)


def says_close(headers: Headers) -> bool:
    """Whether an answer's own headers end the connection with it."""
    return not isinstance(headers, KeptHeaders) and _CLOSE in headers


def _lines(status: int, headers: Headers, body: bytes, *, to_head: bool) -> bytes:
    if isinstance(headers, KeptHeaders):
        return headers.lines
    lengths = [value for name, value in headers if name == b"content-length"]
    if not (lengths or to_head or status in _WITHOUT_BODY):
        return lines_of([*headers, (b"content-length", b"%d" % len(body))])
    if lengths and not to_head and lengths != [b"%d" % len(body)]:
        raise ValueError("an answer's body is longer or shorter than its head says")
    return lines_of(headers)
