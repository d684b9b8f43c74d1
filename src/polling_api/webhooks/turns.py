"""Whose turn it is: how many deliveries of which lane may begin now, so that no receiver takes another's turn.

A lane is one owner's deliveries to one destination. It begins with two at a time, gets one more with each success, and
is halved by each failure, down to one (after TCP's slow start, RFC 5681): so a receiver that hangs holds little, also
where it was well a moment ago. A lane has at most half of what its destination has: of two owners that use the same
host neither can take all of it. What is left is given out one by one, to who has the least first.

Pure but for the clock, which is passed in. The bounds are those of one process.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from polling_api.domain.webhook import Lane
from polling_api.store.webhook_leases import Waiting

FIRST_WINDOW = 2.0
MOST_LANES = 10_000  # remembered; some 500 bytes each
TOKEN_WAIT = 0.05  # seconds: tokens come back some hundred a second
_HUNG = "hung"  # what lanes that hung have been given, in all and of an owner, is counted by this name
FORGET_AFTER = 600.0  # seconds without a turn: what was learnt of it is old


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may be under way at once, and begin in a second: in all, to a destination, and of an owner."""

    whole: int
    destination: int
    owner: int
    destination_rate: float
    owner_rate: float


@dataclass(slots=True)
class _Share:
    """What a destination or an owner has: turns taken, those of lanes that hung, and tokens, which come back."""

    tokens: float
    at: float
    taken: int = 0
    hung: int = 0

    def refilled(self, rate: float, now: float) -> "_Share":
        """The same with the tokens of the time since it was last asked; those of a second at most."""
        self.tokens = min(max(rate, 1.0), self.tokens + (now - self.at) * rate)
        self.at = now
        return self


@dataclass(slots=True)
class _Course:
    """How a lane does."""

    window: float = FIRST_WINDOW
    taken: int = 0
    hung: bool = False
    not_before: float = 0.0
    used: float = 0.0


@dataclass(frozen=True, slots=True)
class Rooms:
    """How many may begin, by lane; and seconds until more may although none has ended, None if that changes nothing."""

    by_lane: Sequence[tuple[str, int]]
    again: float | None


class Turns:
    """Gives out turns.

    Args:
        bounds: see there.
        clock: monotonic seconds.
    """

    def __init__(self, bounds: Bounds, clock: Callable[[], float]) -> None:
        self._bounds = bounds
        self._clock = clock
        self._lanes: dict[str, _Course] = {}
        self._destinations: dict[str, _Share] = {}
        self._owners: dict[str, _Share] = {}
        self.taken = 0
        self._hung = 0

    def __len__(self) -> int:
        return len(self._lanes)

    def rooms(self, waiting: Iterable[Waiting]) -> Rooms:
        """Share out what may begin now among lanes in which something is due."""
        now = self._clock()
        self._forget(now)
        due = {one.lane: one.due for one in waiting if one.due and self._course(one.lane).not_before <= now}
        given, left, limited = Counter[str](), self._bounds.whole - self.taken, False
        asking = [(*self._merits(lane), lane) for lane in due]
        heapify(asking)
        while asking and left > 0:
            has, waited, lane = heappop(asking)
            if given[lane] == due[lane] or not self._fits(lane, given):
                continue
            if not self._has_tokens(lane, given, now):
                limited = True
                continue
            given.update((lane, *_sharing(lane)))
            if self._lanes[lane].hung:
                given.update((_HUNG, f"{_HUNG} {_sharing(lane)[0]}"))
            left -= 1
            heappush(asking, (has + 1, waited, lane))
        rooms = [(lane, given[lane]) for lane in due if given[lane]]
        return Rooms(rooms, TOKEN_WAIT if limited else None)

    def begin(self, lane: str) -> None:
        """Take a turn."""
        now = self._clock()
        course = self._course(lane)
        course.taken += 1
        course.used = now
        self.taken += 1
        owner, destination = self._shares(lane, now)
        for share in (owner, destination):
            share.taken += 1
            share.tokens -= 1
        self._count_hung(owner, int(course.hung))

    def end(self, lane: str, *, well: bool | None, hung: bool = False, pause: float = 0.0) -> None:
        """Give a turn back.

        Args:
            lane: whose.
            well: whether the receiver took the delivery; None where it was not asked, which says nothing about it.
            hung: whether it took all the time there was: then there is one at a time from now on.
            pause: seconds for which it asked to be left alone.
        """
        now = self._clock()
        course = self._lanes[lane]
        owner, destination = self._shares(lane, now)
        self._count_hung(owner, -course.taken if course.hung else 0)
        course.taken -= 1
        course.used = now
        course.not_before = max(course.not_before, now + pause)
        if well:
            course.window = min(course.window + 1, max(1.0, self._bounds.destination // 2))
        elif well is not None:
            course.window = 1.0 if hung else max(1.0, course.window / 2)
        if well is not None:
            course.hung = hung
        self._count_hung(owner, course.taken if course.hung else 0)
        self.taken -= 1
        for share in (owner, destination):
            share.taken -= 1

    def _merits(self, lane: str) -> tuple[int, float]:
        """By which lanes are served, the smallest first: how many turns one has, and when it had its last."""
        course = self._lanes[lane]
        return course.taken, course.used

    def _count_hung(self, owner: _Share, by: int) -> None:
        self._hung += by
        owner.hung += by

    def _fits(self, lane: str, given: Counter[str]) -> bool:
        owner, destination = _sharing(lane)
        course = self._lanes[lane]
        has = course.taken + given[lane]
        if has >= int(course.window) or self._owners[owner].taken + given[owner] >= self._bounds.owner:
            return False
        if course.hung and (
            self._hung + given[_HUNG] >= max(1, self._bounds.whole // 2)
            or self._owners[owner].hung + given[f"{_HUNG} {owner}"] >= max(1, self._bounds.owner // 2)
        ):
            return False
        # Who has none may have one all the same: others that hang there do not keep it out.
        return not has or self._destinations[destination].taken + given[destination] < self._bounds.destination

    def _has_tokens(self, lane: str, given: Counter[str], now: float) -> bool:
        shares = self._shares(lane, now)
        return all(share.tokens - given[name] >= 1 for name, share in zip(_sharing(lane), shares, strict=True))

    def _course(self, lane: str) -> _Course:
        course = self._lanes.setdefault(lane, _Course())
        self._shares(lane, self._clock())
        return course

    def _shares(self, lane: str, now: float) -> tuple[_Share, _Share]:
        """The owner's share and the destination's, with the tokens that have come back."""
        owner, destination = _sharing(lane)
        bounds = self._bounds
        return (
            self._owners.setdefault(owner, _Share(bounds.owner_rate, now)).refilled(bounds.owner_rate, now),
            self._destinations.setdefault(destination, _Share(bounds.destination_rate, now)).refilled(
                bounds.destination_rate, now
            ),
        )

    def _forget(self, now: float) -> None:
        """Let go of what is long unused, as soon as there is much of it."""
        if len(self._lanes) <= MOST_LANES:
            return
        kept = {
            lane: course for lane, course in self._lanes.items() if course.taken or course.used > now - FORGET_AFTER
        }
        self._lanes = kept
        sharing = [_sharing(lane) for lane in kept]
        self._owners = {owner: self._owners[owner] for owner, _ in sharing}
        self._destinations = {destination: self._destinations[destination] for _, destination in sharing}


def _sharing(lane: str) -> tuple[str, str]:
    """The names of the two shares that a lane draws on, which differ from each other and from a lane's."""
    owner, destination = Lane.of(lane)
    return f"owner {owner}", f"to {destination}"
