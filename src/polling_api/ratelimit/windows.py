"""All windows of a request, decided at once.

A request counts in its caller's hour and, where it is about a job, in the minute and the burst of this caller, job and
endpoint. It is counted in all of them or, if one refuses, in none.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any, NamedTuple, cast

from polling_api.ratelimit.counter import Counter, left_of
from polling_api.ratelimit.counters import BURST, HOUR, KINDS, MINUTE, Counters, Table
from polling_api.ratelimit.party import Figures, Party

POLL, WAIT, STREAM = "poll", "wait", "stream"  # endpoints of their own, though a poll and a wait have one address

HELD_ENOUGH = 0.95  # seconds after which a wait is no burst: one of a whole second may be over a hair early
JOBS_A_REQUEST = 20  # of a batch-get

HOUR_SCOPE = "api"  # one scope for all that count in a caller's hour, in slowapi's words

_LONGEST_JOB = 64  # characters; ids have 36; what is longer, or is not ASCII, is no id, and all of it counts as one
_NO_ID = "no id"

_decision_of = cast("Any", tuple).__new__


# Plain tuples: named ones would take a fifth of the time of a decision.
Window = tuple[Table, str, int]  # a request counts in it: at most so many of a name in the table's length
Taken = tuple[Counter, int, int]  # what a request took of a window: its counter, limit, and the request's weight


class Decision(NamedTuple):
    """What becomes of a request, and the figures of the limit of which the smallest share is left.

    Attributes:
        allowed: whether it goes on.
        limit: `X-RateLimit-Limit`.
        remaining: `X-RateLimit-Remaining`.
        reset: `X-RateLimit-Reset`, epoch seconds: then all of the limit is free, if nothing is asked until then.
        retry_after: `Retry-After`, whole seconds after which the request is allowed, if nothing is asked until then; 0
            for one that is allowed.
        which: `hour`, `minute` or `burst`.
        at: when it was decided, epoch seconds.
        taken: for `settle`.
    """

    allowed: bool
    limit: int
    remaining: int
    reset: int
    which: str
    at: float
    retry_after: int = 0
    taken: Sequence[Taken] = ()


class Windows:
    """Decides on requests.

    Args:
        counters: what is counted here, and shared.
        figures: as they are meant.
    """

    def __init__(self, counters: Counters, figures: Figures) -> None:
        self._note = counters.note
        self._give_back = counters.give_back
        self._hours, self._minutes, self._bursts = map(counters.table, (HOUR, MINUTE, BURST))
        self._minute, self._burst = figures.job_minute, figures.burst
        self._last_taken: Sequence[Taken] = ()

    def decide(
        self, party: Party, now: float, *, job: str | None = None, endpoint: str = POLL, weight: int = 1
    ) -> Decision:
        """Count a request, or refuse it.

        Args:
            party: whom it counts against.
            now: epoch seconds.
            job: the id in its path, known or not; None for calls without a job, which know the hour alone.
            endpoint: `POLL`, `WAIT`, `STREAM`, or the name of another.
            weight: as how many requests it counts; see `weight_of`.
        """
        return self.weigh(self.of(party, job, endpoint), weight, now)

    def refusal(self, party: Party, now: float) -> Decision | None:
        """What a request would be told that counts in the hour alone, where it would be refused; it is not counted."""
        hour = self.of(party, None, POLL)
        _, used = _used(hour[0], now)
        return self._refuse(hour, 1, now) if used >= party.hour else None

    def peek(self, party: Party, now: float, *, job: str | None = None, endpoint: str = POLL) -> Decision:
        """The figures as they are, for an answer that does not count."""
        left = [(window, *_used(window, now)) for window in self.of(party, job, endpoint)]
        (table, _, limit), counter, used = min(left, key=lambda one: 1 - one[2] / one[0][2])
        reset = ceil(now if counter is None else counter.whole_at(now))
        return Decision(
            allowed=True, limit=limit, remaining=max(limit - used, 0), reset=reset, which=table.kind, at=now
        )

    def of(self, party: Party, job: str | None, endpoint: str) -> list[Window]:
        """The windows in which a request counts."""
        hour = (self._hours, f"{party.key}/{HOUR_SCOPE}", party.hour)
        if job is None:
            return [hour]
        name = f"{party.key}/{endpoint}/{job if len(job) <= _LONGEST_JOB and job.isascii() else _NO_ID}"
        return [hour, (self._minutes, name, self._minute), (self._bursts, name, self._burst)]

    def weigh(self, windows: Sequence[Window], weight: int, now: float) -> Decision:
        """Count a request in all of `windows`, or in none.

        A weight over a limit counts as the whole limit: else the request could never be made.
        """
        taken: list[Taken] = []
        new: list[tuple[Table, Counter]] = []
        smallest, least, figure, remaining = 2.0, windows[0][0], 0, 0
        for table, name, limit in windows:
            counter = table.find(name)
            if counter is None:
                counter = Counter(name, table.size, now)
                new.append((table, counter))
            elif now >= counter.ends:
                counter.roll(now)
            cost = weight if weight < limit else limit  # noqa: FURB136 - `min` takes four times as long
            left = limit - cost - counter.count
            if counter.before:
                left -= left_of(counter.before, counter.first_before, counter.last_before, now - counter.size)
            share = left / limit
            if share < smallest:
                if left < 0:
                    return self._refuse(windows, weight, now)
                smallest, least, figure, remaining = share, table, limit, left
            taken.append((counter, limit, cost))
        for table, counter in new:
            table.add(counter)
        for counter, _, cost in taken:
            if not counter.changed:
                self._note(counter)
            counter.take(cost, now)
        # By position, and not through its class, nor `Decision._make`, which counts them: for speed.
        reset = ceil(now + least.size)
        return _decision_of(Decision, (True, figure, remaining, reset, least.kind, now, 0, self._shared(taken)))

    def settle(
        self, decision: Decision, now: float, *, free_of_hour: bool = False, free_of_burst: bool = False
    ) -> Decision:
        """Take back what turned out not to count, once however often it is said, and say the figures as they are now.

        Args:
            decision: of a request that was allowed.
            now: epoch seconds.
            free_of_hour: a `304` to a signed caller or a token's bearer.
            free_of_burst: a wait that is held for `HELD_ENOUGH`, or was.
        """
        if not (free_of_hour or free_of_burst):
            return self._figures(decision, now)
        free = ((HOUR, free_of_hour), (BURST, free_of_burst))
        taken: list[Taken] = []
        for counter, limit, weight in decision.taken:
            is_free = (counter.size, True) in free
            if is_free and weight:
                self._give_back(counter, weight, decision.at, now)
            taken.append((counter, limit, 0 if is_free else weight))
        return self._figures(decision._replace(taken=self._shared(taken)), now)

    def _shared(self, taken: Sequence[Taken]) -> Sequence[Taken]:
        """What was taken, in the same objects as last time if it is the same: a client may wait a thousand times."""
        if taken != self._last_taken:
            self._last_taken = taken
        return self._last_taken

    def _figures(self, decision: Decision, now: float) -> Decision:
        smallest, least, figure, remaining, taken = 2.0, None, 0, 0, decision.taken
        for counter, limit, _ in taken:
            left = limit - (counter.used(now) if counter.before or now >= counter.ends else counter.count)
            share = left / limit if left > 0 else 0.0
            if share < smallest:
                smallest, least, figure, remaining = share, counter, limit, left
        if least is None:
            return decision
        which, reset = KINDS.get(least.size, ""), ceil(least.whole_at(now))
        remaining = remaining if remaining > 0 else 0  # noqa: FURB136 - `max` takes four times as long
        return _decision_of(Decision, (True, figure, remaining, reset, which, decision.at, 0, taken))

    def _refuse(self, windows: Sequence[Window], weight: int, now: float) -> Decision:
        refusal, order, longest = None, (2.0, 0), 1
        for window in windows:
            counter, used = _used(window, now)
            if counter is None:
                continue
            table, _, limit = window
            cost, left, wait = min(weight, limit), max(limit - used, 0), 0
            if used + cost > limit:
                self._note(counter)  # others may have given back what we think is taken
                wait = _wait(counter, cost, limit, now)
                longest = max(longest, wait)
            if (left / limit, -wait) < order:  # of two that are used up, the one that stays so for longer
                order = (left / limit, -wait)
                refusal = (limit, left, ceil(counter.whole_at(now)), table.kind)
        assert refusal is not None  # noqa: S101 - a window refuses only by what it has counted
        limit, left, reset, which = refusal
        return Decision(
            allowed=False, limit=limit, remaining=left, reset=reset, which=which, at=now, retry_after=longest
        )


def weight_of(jobs: int) -> int:
    """As how many requests a call about so many jobs counts: one for each 20 begun, and at least one."""
    return max(1, ceil(jobs / JOBS_A_REQUEST))


def _used(window: Window, now: float) -> tuple[Counter | None, int]:
    table, name, _ = window
    counter = table.current(name, now)
    return counter, 0 if counter is None else counter.used(now)


def _wait(counter: Counter, cost: int, limit: int, now: float) -> int:
    """Whole seconds after which the request fits; tried out, since float arithmetic may be a hair short."""
    wait = max(1, ceil(counter.free_at(cost, limit) - now))
    while counter.used(now + wait) + cost > limit:
        wait += 1
    return wait
