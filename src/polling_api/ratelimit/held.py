"""How much is held open at once: waits and streams by name and process, bytes of uploads under way."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import islice
from types import TracebackType

from polling_api.errors import TooMany, Unavailable
from polling_api.ratelimit.exchange import Others, Page
from polling_api.ratelimit.party import Party
from polling_api.ratelimit.stretches import Stretches

RENEWED_EVERY = 10.0  # seconds; what a process that died held is forgotten after a lease
LEASE = 30  # seconds

_STRETCHES = Stretches("held", LEASE)
_AGAIN_AFTER = 30  # seconds said to who holds too much: as long as the longest wait takes
_AGAIN_AFTER_OVERLOAD = 5  # seconds: another process may have room


class _Gauge:
    """What one name holds here, and elsewhere as far as is known."""

    __slots__ = ("believed_until", "due", "elsewhere", "here", "name")

    def __init__(self, name: str, due: float) -> None:
        self.name = name
        self.here = 0
        self.elsewhere = 0
        self.due = due
        self.believed_until = 0.0  # the end of the last lease: until then others may take it that something is held


class Held:
    """Counts requests that are held open; a `Part` of what is reconciled.

    Args:
        most: that this process holds.
        clock: gives epoch seconds.
    """

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._held = 0
        self._gauges = OrderedDict[str, _Gauge]()  # the one that is due next comes first
        self._noted = OrderedDict[str, None]()
        self._offered: list[_Gauge] = []

    def __len__(self) -> int:
        return self._held

    @property
    def names(self) -> int:
        """How many names are remembered."""
        return len(self._gauges)

    @property
    def waiting(self) -> int:
        """How many names have something to share."""
        return len(self._noted) + (self._next_due() <= self._clock())

    def hold(self, party: Party) -> "Hold":
        """A block during which a request of `party` is held open.

        Entering it raises:
            Unavailable: the process holds as much as it can.
            TooMany: the party does, or the client it acts for.
        """
        return Hold(self, party)

    def enter(self, party: Party) -> None:
        """Begin to hold; see `hold`."""
        if self._held >= self._most:
            raise Unavailable(
                "This process holds as many requests open as it can.",
                code="overloaded",
                retry_after=_AGAIN_AFTER_OVERLOAD,
            )
        gauges = [self._gauge(name) for name, _ in party.held]
        for gauge, (_, most) in zip(gauges, party.held, strict=True):
            if gauge.here + gauge.elsewhere >= most:
                self._noted[gauge.name] = None  # others may have let go
                raise TooMany(
                    f"{most} waits and streams are held open for you already; close some, or ask without waiting.",
                    code="too_many_streams",
                    retry_after=_AGAIN_AFTER,
                )
        self._held += 1
        for gauge in gauges:
            gauge.here += 1
            self._noted[gauge.name] = None

    def leave(self, party: Party) -> None:
        """Let go of what `enter` began."""
        self._held -= 1
        for name, _ in party.held:
            self._gauges[name].here -= 1
            self._noted[name] = None

    def offers(self, most: int, now: float) -> list[Page]:
        """What to share now: what changed, and what is to be renewed."""
        said = list(islice(self._noted, most))
        for name in said:
            del self._noted[name]
        said += self._to_be_renewed(most, now)
        self._offered = [self._gauges[name] for name in dict.fromkeys(said) if name in self._gauges]
        until = now + LEASE
        for gauge in self._offered:
            if gauge.here:
                gauge.believed_until = until
        return _STRETCHES.pages({one.name: f"{one.here} {until:.3f}" for one in self._offered}, now)

    def heard(self, others: Sequence[Others], now: float) -> None:
        """Take over what is held elsewhere."""
        offered, self._offered = self._offered, []
        for gauge in offered:
            gauge.elsewhere = sum(_told(value, now) for value in _STRETCHES.newest(others, gauge.name))

    def unheard(self) -> None:
        """Share again what was offered; what others hold is unknown when their leases are over."""
        for gauge in self._offered:
            if self._gauges.get(gauge.name) is gauge:
                self._noted[gauge.name] = None
        self._offered = []

    def repeat(self) -> None:
        """Share everything again."""
        self._noted.update(dict.fromkeys(self._gauges))

    def _gauge(self, name: str) -> _Gauge:
        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = self._gauges[name] = _Gauge(name, self._clock() + RENEWED_EVERY)
        return gauge

    def _to_be_renewed(self, most: int, now: float) -> list[str]:
        """Names whose turn it is and that still hold something; those that hold nothing are forgotten."""
        names: list[str] = []
        for _ in range(most):
            if self._next_due() > now:
                break
            name, gauge = next(iter(self._gauges.items()))
            if gauge.here:
                names.append(name)
            elif name not in self._noted or gauge.believed_until <= now:  # else the others are to be told first
                del self._gauges[name]
                self._noted.pop(name, None)
                continue
            gauge.due = now + RENEWED_EVERY
            self._gauges.move_to_end(name)
        return names

    def _next_due(self) -> float:
        return next(iter(self._gauges.values())).due if self._gauges else float("inf")


class Hold:
    """A block during which one request is held open; small, since ten thousand are open at once."""

    __slots__ = ("_held", "_party")

    def __init__(self, held: Held, party: Party) -> None:
        self._held = held
        self._party = party

    def __enter__(self) -> None:
        self._held.enter(self._party)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.leave(self._party)


def _told(value: str, now: float) -> int:
    """What another process holds, if its lease is not over."""
    here, _, until = value.partition(" ")
    try:
        return max(int(here), 0) if float(until) > now else 0
    except ValueError:  # somebody else's hand in our Redis
        return 0
