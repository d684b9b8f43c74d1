"""Reading an answer (RFC 9112): its status, when to come again, and how its body begins.

Whoever answers is somebody else's, and may be hostile: what is read is bounded, whatever it claims to be.
"""

from typing import NamedTuple

import httptools

MOST_HEAD = 32 * 1024  # bytes before the body, of interim answers too; servers send some hundred
MOST_BODY = 1024  # bytes of an answer's body: it is shown to the receiver's owner, and means nothing to us

_FINAL = 200  # what is below is interim (RFC 9110, section 15.2), and followed by the answer itself
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})


class Answered(NamedTuple):
    """An answer: its status, its `Retry-After` if it has one, and the beginning of its body."""

    status_code: int
    retry_after: str | None
    body: bytes


class MalformedAnswer(Exception):
    """What came is no HTTP, or more of it than an answer has."""


class AnswerReader:
    """Reads one answer from bytes as they come.

    Attributes:
        begun: whether anything came.
        enough: whether all that is wanted of it is there: its end, or as much of its body as is kept.
        lasting: whether the connection may be used for another request after it.
    """

    def __init__(self) -> None:
        self.begun = self.enough = self.lasting = False
        self._parser = httptools.HttpResponseParser(self)
        self._status_code: int | None = None
        self._retry_after: str | None = None
        self._body = bytearray()
        self._framed = self._keeps_alive = self._over = False
        self._head_length = 0

    def feed(self, part: bytes) -> None:
        """Read on.

        Raises:
            MalformedAnswer: this will be no answer any more.
        """
        self.begun = True
        if self._status_code is None:
            self._head_length += len(part)
        try:
            self._parser.feed_data(part)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.lasting = False
            if not self.enough:  # else it was answered, and what follows is nobody's
                raise MalformedAnswer from None
        if self._status_code is None and self._head_length > MOST_HEAD:
            raise MalformedAnswer

    def closed(self) -> bool:
        """Whether the answer is whole now that nothing more comes: one that does not say how long it is is."""
        return self.enough or (self._status_code is not None and not self._framed)

    @property
    def answered(self) -> Answered:
        """The answer, as soon as there is enough of it, or it was closed."""
        assert self._status_code is not None  # noqa: S101 - see above
        return Answered(self._status_code, self._retry_after, bytes(self._body))

    # What the parser calls

    def on_message_begin(self) -> None:
        """Another message: an answer after an interim one, or one that nobody asked for."""
        if self._over:
            self.lasting = False
        self._framed, self._retry_after = False, None

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head; the first of those that are there more than once."""
        lowered = name.lower()
        if lowered in _FRAMING:
            self._framed = True
        elif lowered == b"retry-after" and self._retry_after is None and not self._over:
            self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head is over."""
        status_code = self._parser.get_status_code()
        if status_code >= _FINAL and self._status_code is None:
            self._status_code = status_code
            self._keeps_alive = self._parser.should_keep_alive()

    def on_body(self, part: bytes) -> None:
        """Keep what there is room for; the rest is not waited for."""
        if not self._over:
            self._body += part[: MOST_BODY - len(self._body)]
            self.enough = len(self._body) >= MOST_BODY

    def on_message_complete(self) -> None:
        """The answer is over, unless it was an interim one."""
        if self._status_code is not None and not self._over:
            self._over = self.enough = True
            self.lasting = self._keeps_alive
