"""How far the request that is being read has come, and how much of it and for how long it may take. Pure."""

from enum import Enum, auto
from typing import NamedTuple

from polling_api.errors import BadRequest, PollingError, TooSlow
from polling_api.protocol.head import MOST_HEAD, head_too_large

# Chunk sizes, extensions and trailers: a chunk of one byte has six around it.
MOST_AROUND_A_BYTE = 8


class Bounds(NamedTuple):
    """How long a request may take to come, and an answer to be read.

    Attributes:
        head_seconds: for the head, or for a new connection's first byte.
        body_seconds: for the body, to which each `body_rate` bytes that came add a second; and for each silence in it,
            to which nothing adds.
        body_rate: bytes a second.
        stalled_seconds: for a reader to take 64 KiB of what waits for it, or all there is.
    """

    head_seconds: float
    body_seconds: float
    body_rate: float
    stalled_seconds: float


class Stage(Enum):
    """What is being read."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    PRIMING = auto()  # a head of our own, for a parser that has to go on with a body


class Reading:
    """The request that is being read.

    Args:
        bounds: how long it may take.
    """

    __slots__ = ("_body", "_bounds", "_fed", "_first", "alone", "heard", "since", "stage")

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.stage = Stage.IDLE
        self.alone = False  # whether what was fed last began with it
        self.since = 0.0  # when we began to wait for the rest, on the event loop's clock
        self.heard = 0.0  # when anything came last, on the same clock
        self._fed = 0  # bytes, the body's excepted
        self._first = 0  # bytes that came with a request's first one
        self._body = 0  # bytes

    def feed(self, size: int) -> None:
        """So many bytes are about to be parsed."""
        # Where another request's end comes before it, what belongs to the new one is not known, and not counted.
        self._first = size if self.stage is Stage.IDLE else 0
        self._fed += size

    def begin(self) -> None:
        """The first byte of a head."""
        self.stage = Stage.HEAD
        self.alone = self._first > 0
        self._fed, self._first = self._first, 0

    def begin_body(self) -> None:
        """The head is whole."""
        self.stage = Stage.BODY
        self._body = 0

    def take_body(self, size: int) -> None:
        """So many bytes were the body's."""
        self._fed -= size
        self._body += size

    def excess(self) -> PollingError | None:
        """The refusal of a request that has more to it than is taken."""
        if self.stage is Stage.HEAD and self._fed > MOST_HEAD:
            return head_too_large()
        if self.stage is Stage.BODY and self._fed > 2 * MOST_HEAD + MOST_AROUND_A_BYTE * self._body:
            return BadRequest("There is too much around the body's chunks.")
        return None

    def left(self, now: float) -> float:
        """How many seconds there are for the rest, as things stand."""
        if self.stage is Stage.BODY:
            credit = self._body / self._bounds.body_rate
            return min(self.since + credit, self.heard) + self._bounds.body_seconds - now
        return self.since + self._bounds.head_seconds - now

    def lateness(self) -> TooSlow:
        """The refusal of a request that did not come in time."""
        if self.stage is Stage.BODY:
            return TooSlow("The request's body came too slowly, or not at all.")
        return TooSlow(f"The request's head did not come within {self._bounds.head_seconds:g} s.")
