"""Transactions, of which one may be open while younger ones commit, and what clients' streams read of them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from model.wire import Wire
from polling_api.domain.job import Job
from polling_api.domain.places import Horizon, Move, Moves, Place, Position, Visited, Visits

if TYPE_CHECKING:
    from model.postgres import Postgres

PAGE: Final = 2  # versions: less than what is asked for, so that even a small world has further pages
BEGINNING: Final = Position(0, "", 0)


class Transactions:
    """Which there were, in the order in which they began to write.

    Attributes:
        committed: every version, with the transaction that wrote it, in the order of commits.
    """

    def __init__(self) -> None:
        self.committed: list[Move] = []
        self._following = 1
        self._open: set[int] = set()

    @property
    def horizon(self) -> Horizon:
        """What is committed now."""
        return Horizon(self._following, tuple(sorted(self._open)))

    def begin(self) -> int:
        """Begin to write; the transaction's number."""
        self._following += 1
        self._open.add(self._following - 1)
        return self._following - 1

    def commit(self, job: Job, xid: int) -> None:
        """Let a version be seen."""
        self._open.discard(xid)
        self.committed.append(Move(job, xid))


def covers(horizon: Horizon, xid: int) -> bool:
    """Whether what a transaction wrote was to be seen."""
    return xid < horizon.following and xid not in horizon.open


class ModelReplays:
    """The primary as clients' streams ask for it; see `store.replay`."""

    def __init__(self, wire: Wire, postgres: "Postgres") -> None:
        self._wire = wire
        self._postgres = postgres

    async def moves(self, places: Mapping[str, Place | None], *, limit: int) -> Mapping[str, Moves]:
        """See `watch.ReplaySource`."""
        most = min(limit, PAGE)

        def read() -> Mapping[str, Moves]:
            return {client_id: self._moves(client_id, place, most) for client_id, place in places.items()}

        return await self._wire.call(self._postgres, "read of moves", read)

    async def visits(self, client_id: str, since: Horizon, *, after: Visited | None, limit: int) -> Visits:
        """See `watch.ReplaySource`."""
        most = min(limit, PAGE)
        return await self._wire.call(
            self._postgres, "read of visits", lambda: self._visits(client_id, since, after, most)
        )

    def _moves(self, client_id: str, place: Place | None, most: int) -> Moves:
        transactions = self._postgres.transactions
        if place is None:
            return Moves(transactions.horizon, [], more=False)
        until, after = place.until or transactions.horizon, place.after or BEGINNING
        found = [
            move
            for move in sorted(transactions.committed, key=lambda move: move.position)
            if move.job.client_id == client_id
            and not covers(place.since, move.xid)
            and covers(until, move.xid)
            and move.position > after
            and (move.job.version == move.job.status_version or move.job is self._postgres.job(move.job.id))
        ]
        return Moves(until, found[:most], more=len(found) > most)

    def _visits(self, client_id: str, since: Horizon, after: Visited | None, most: int) -> Visits:
        present = [self._postgres.job(job_id) for job_id in sorted({move.job.id for move in self._committed})]
        unfinished = [
            job
            for job in present
            if job is not None and job.client_id == client_id and not job.terminal
            if after is None or (job.created_at, job.id) > after
        ]
        some = unfinished[:most]
        then = [self._then(job.id, since) for job in some]
        last = Visited(some[-1].created_at, some[-1].id) if some else None
        return Visits([job for job in then if job is not None], last, more=len(unfinished) > most)

    def _then(self, job_id: str, since: Horizon) -> Job | None:
        """The version of a job that was to be seen at a moment."""
        seen = [move.job for move in self._committed if move.job.id == job_id and covers(since, move.xid)]
        return max(seen, key=lambda job: job.version, default=None)

    @property
    def _committed(self) -> list[Move]:
        return self._postgres.transactions.committed
