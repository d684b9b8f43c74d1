"""Headers as they are written: one line after the other, each with its end (RFC 9112, section 5)."""

from collections.abc import Iterable

from polling_api.representation import Headers


class KeptHeaders(list[tuple[bytes, bytes]]):
    """Headers that many answers have: put into lines once, and never changed. What is made of them is a plain list.

    Args:
        headers: all that the answers have of their own, their length too where they have a body.

    Raises:
        ValueError: as `lines_of` does.
    """

    __slots__ = ("lines",)

    def __init__(self, headers: Headers) -> None:
        super().__init__(headers)
        self.lines = lines_of(headers)


def lines_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers as lines.

    That no value ends its line, and begins another header, is seen by counting the ends of all lines at once.

    Args:
        headers: names, in lower case, with values.

    Raises:
        ValueError: one of them would end its line.
    """
    told = [*map(b": ".join, headers), b""]
    lines, breaks = b"\r\n".join(told), len(told) - 1
    if lines.count(b"\n") != breaks or lines.count(b"\r") != breaks or b"\0" in lines:
        raise ValueError("a header would end its line")
    return lines


def headers_of(lines: bytes) -> Headers:
    """Lines as headers."""
    headers: Headers = []
    for line in lines.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b": ")
        headers.append((name, value))
    return headers
