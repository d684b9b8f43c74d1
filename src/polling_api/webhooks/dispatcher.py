"""The dispatcher: claims what is due, sends it, writes down what came of it, and ends in good order."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from random import random
from time import monotonic

from polling_api import metrics
from polling_api.resilience.backoff import full_jitter
from polling_api.resilience.cancellation import stop, to_the_end
from polling_api.resilience.reporting import report
from polling_api.resilience.together import raise_for, until_over
from polling_api.store import webhook_leases
from polling_api.store.engine import Engine
from polling_api.store.webhook_leases import Claimed, Waiting
from polling_api.store.webhook_outcomes import Fate, Result, Sent
from polling_api.webhooks.outcomes import Outcomes
from polling_api.webhooks.schedule import Answer, verdict
from polling_api.webhooks.sender import Send
from polling_api.webhooks.turns import Turns

MOST_WALKED = 500  # lanes that one look goes through: some milliseconds of Postgres
MOST_DUE = 32  # counted in a lane: no lane gets more turns at once
LONGEST_REST = 1.0  # seconds: a lost wake-up, and a replay, wait no longer
MOST_SPACING = 0.05  # seconds between looks that find nothing, in the long run, however often it is woken
MOST_CREDIT = 20.0  # such looks that may come sooner, after a second of rest: who is woken now and then looks at once
SHORTEST_SPACING = 0.01  # seconds between any two: turns that end in this time are given out by one look
FIRST_BACKOFF, LONGEST_BACKOFF = 0.5, 5.0  # seconds without the database
LEASE_MARGIN = 30.0  # seconds beyond an attempt's own time, for writing down what came of it
LONGEST_PAUSE = 60.0  # seconds for which a receiver may have its whole lane left alone, all jobs' deliveries
GRACE = 2.0  # seconds at the end for attempts under way

NOWHERE = Sent(datetime.min.replace(tzinfo=UTC), None, 0, "not sent: the endpoint is disabled or deleted", None)

Point = Callable[[str], Awaitable[None]]
"""Called by name where a crash would be worst. Tests end the process there; else it does nothing."""


async def nothing(_point: str) -> None:
    """Do nothing at any point: the service's own `Point`."""


class Dispatcher:
    """Tells receivers what is to be told. Any number may run side by side: leases divide the work.

    It looks by its own clock; waking it only makes it look sooner.

    Args:
        engine: the primary's.
        send: asks a receiver once, within `within` seconds, and sends nothing so late that another may have it too.
        turns: whose turn it is.
        owner: this dispatcher's name, unlike that of any other, also of an earlier one.
        within: see `send`.
        schedule: ceilings of the waits after each failure, seconds.
        wake: set when there may be something to do; cleared here.
        at: see `Point`.
    """

    def __init__(
        self,
        engine: Engine,
        send: Send,
        turns: Turns,
        *,
        owner: str,
        within: float,
        schedule: Sequence[float],
        wake: asyncio.Event,
        longest_rest: float = LONGEST_REST,
        lease: float | None = None,
        at: Point = nothing,
    ) -> None:
        self._engine = engine
        self._send = send
        self._turns = turns
        self._owner = owner
        self._within = within
        self._schedule = schedule
        self._lease = within + LEASE_MARGIN if lease is None else lease
        self._wake = wake
        self._longest_rest = longest_rest
        self._at = at
        self._outcomes = Outcomes(engine, owner)
        self._after = ""
        self._looked_at = 0.0
        self._credit = MOST_CREDIT
        self._sending: set[asyncio.Task[None]] = set()
        self._stopping, self._stopped = asyncio.Event(), asyncio.Event()
        self._stopped.set()

    async def run(self) -> None:
        """Send until `stop`, or until cancelled.

        Raises:
            Exception: it claimed no more, or could not write what came of what was sent, which is sent again and again
                then. It has ended as by `stop`, but for what could not be written.
        """
        self._stopped.clear()
        working, writing = asyncio.create_task(self._work()), asyncio.create_task(self._outcomes.run())
        try:
            ended = await until_over(self._stopping, [working, writing])
        finally:
            await stop([working], within=0)
            await stop(list(self._sending), within=GRACE)
            await stop([writing], within=0)
            self._stopped.set()
        if ended:
            raise_for(ended)

    async def stop(self) -> None:
        """End within a few seconds; what is cut off is given back, due at once."""
        self._stopping.set()
        self._wake.set()
        await self._stopped.wait()

    async def _work(self) -> None:
        failures = 0
        while True:
            self._wake.clear()
            now = monotonic()
            self._credit = min(MOST_CREDIT, self._credit + (now - self._looked_at) / MOST_SPACING)
            self._looked_at = now
            try:
                rest = await self._look()
                failures = 0
            except Exception as error:  # noqa: BLE001 - receivers without a dispatcher are worse than any mistake
                failures += 1
                report(error, "no webhooks are sent")
                chance = random()  # noqa: S311 - it spreads processes, and guards nothing
                await asyncio.sleep(full_jitter(failures, first=FIRST_BACKOFF, most=LONGEST_BACKOFF, chance=chance))
            else:
                await self._rest(rest)

    async def _look(self) -> float:
        """Claim what may begin now, and begin it; answers for how many seconds nothing else has to be done."""
        waiting = await webhook_leases.waiting(
            self._engine, after=self._after, most_lanes=MOST_WALKED, most_due=MOST_DUE
        )
        self._after = waiting[-1].lane if len(waiting) == MOST_WALKED else ""
        rooms = self._turns.rooms(waiting)
        begun = await to_the_end(self._claim(rooms.by_lane)) if rooms.by_lane else 0
        if not begun:
            self._credit -= 1
        if self._after or (begun and begun < _due(waiting)):
            return 0.0
        return self._longest_rest if rooms.again is None else rooms.again

    async def _claim(self, rooms: Sequence[tuple[str, int]]) -> int:
        ends = monotonic() + self._lease
        claimed = await webhook_leases.claim(self._engine, self._owner, rooms, lease=self._lease)
        await self._at("claimed")
        for one in claimed:
            self._turns.begin(one.lane)
            metrics.WEBHOOKS_UNDER_WAY.inc()
            sending = asyncio.create_task(self._deliver(one, ends))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
        return len(claimed)

    async def _rest(self, seconds: float) -> None:
        """Sleep, or until woken; but not so short that being woken for nothing all the time keeps Postgres busy."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        spacing = SHORTEST_SPACING if self._credit > 0 else MOST_SPACING
        await asyncio.sleep(max(0.0, self._looked_at + spacing - monotonic()))

    async def _deliver(self, claimed: Claimed, lease_ends: float) -> None:
        answer: Answer | None = None
        result = Result(delivery_id=claimed.id, lane=claimed.present_lane, fate=Fate.RETRIED)
        try:
            if claimed.url is None:
                result = _nowhere(claimed)
            elif claimed.lane == claimed.present_lane and lease_ends - monotonic() > self._within:
                answer, result = await self._attempt(claimed, lease_ends - self._within)
            # Else it is given back: the process was stopped for as long, or it goes elsewhere since it was made, and
            # what is under way there has to be counted there.
        except Exception as error:  # noqa: BLE001 - a mistake about one is not to cost the others their turn
            report(error, "webhook attempt broken off")
            result = self._broken_off(claimed)
        finally:
            self._end_turn(claimed, answer)
            await to_the_end(self._outcomes.write(result, lease_ends))
            self._wake.set()  # a newer version may have waited for this one
        await self._at("marked")

    async def _attempt(self, claimed: Claimed, by: float) -> tuple[Answer, Result]:
        at, began = datetime.now(UTC), monotonic()
        await self._at("sending")
        answer = await self._send(claimed, by)
        await self._at("answered")
        took = monotonic() - began
        metrics.webhook_attempt_seconds("well" if answer.error is None else "failed").observe(took)
        return answer, self._result(claimed, answer, Sent(at, answer.status_code, round(took * 1000), *_told(answer)))

    def _result(self, claimed: Claimed, answer: Answer, attempt: Sent) -> Result:
        decided = verdict(answer, claimed.tries, self._schedule, random())  # noqa: S311
        return Result(
            delivery_id=claimed.id,
            lane=claimed.present_lane,
            fate=decided.fate,
            wait=decided.wait,
            attempt=attempt,
            sent=True,
            gone=decided.gone,
        )

    def _broken_off(self, claimed: Claimed) -> Result:
        answer = Answer(None, "not sent: a mistake on our side, which is in the log")
        return self._result(claimed, answer, Sent(datetime.now(UTC), None, 0, answer.error, None))

    def _end_turn(self, claimed: Claimed, answer: Answer | None) -> None:
        metrics.WEBHOOKS_UNDER_WAY.dec()
        if answer is None:
            self._turns.end(claimed.lane, well=None)
        else:
            pause = min(answer.retry_after or 0.0, LONGEST_PAUSE) if answer.error else 0.0
            self._turns.end(claimed.lane, well=answer.error is None, hung=answer.hung, pause=pause)
        self._wake.set()


def _nowhere(claimed: Claimed) -> Result:
    attempt = NOWHERE._replace(at=datetime.now(UTC))
    return Result(delivery_id=claimed.id, lane=claimed.lane, fate=Fate.DEAD, attempt=attempt)


def _told(answer: Answer) -> tuple[str | None, str | None]:
    return answer.error, answer.body


def _due(waiting: Sequence[Waiting]) -> int:
    return sum(one.due for one in waiting)
