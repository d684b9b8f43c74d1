"""All of one client's jobs as one log: every version that its readers are told, in the order in which they are."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import methodcaller
from typing import NamedTuple, Protocol

from polling_api.domain.job import Job
from polling_api.domain.places import Move, Moves, Place
from polling_api.hub import Notice
from polling_api.representation import Form, Snapshot
from polling_api.resilience.news_first import NewsFirst

# Jobs of which more was told than the horizon covers. A cursor names each, with some 60 bytes: it stays below 2.5 KB.
# Half of them are reason enough to ask the primary for a later horizon; with all, nothing is told until it answers.
MOST_BEYOND = 32
ASK_FROM = MOST_BEYOND // 2
MOST_LOGGED = 1_000  # versions that wait for the slowest reader: some 3 MB; who cannot take even these is cut off
MOST_KNOWN = 2_000  # jobs of which the version told last is known; of another one the primary is asked
TRIMMED_FROM = 64  # versions, before it is worth asking who still needs them


class Reader(Protocol):
    """Who reads the log."""

    @property
    def reached(self) -> int:
        """The number of the last version that it does not need any more."""
        ...

    def changed(self, feed: "ClientFeed") -> None:
        """There is more in the log. The call is quick, is made on the event loop, and raises nothing."""
        ...


class Told:
    """A version in the log, and where a reader stands who has been told it.

    `encoded` is for whoever encodes it, once for all readers of one form.
    """

    __slots__ = ("encoded", "number", "place", "snapshot")

    def __init__(self, number: int, snapshot: Snapshot, place: Place) -> None:
        self.number = number
        self.snapshot = snapshot
        self.place = place
        self.encoded: dict[Form, bytes] = {}


class Joint(NamedTuple):
    """Where a reader who has been told all up to a horizon goes on with the log.

    That is all that `place.since` covers; then comes what is `ahead` of it, then what follows `number` in the log.
    """

    place: Place
    number: int
    ahead: Sequence[Told]


class ClientFeed:
    """What readers of one client's jobs have been told and have to be told. Does no I/O: it is given what was heard.

    A notice is told at once if it follows on what was told of its job; otherwise the primary has to be asked, which
    knows what lies between. `place` is where a reader of the whole log stands, None before the primary first answered.

    Args:
        client_id: the client.
        news: has the readers told; of its own where none is given.
    """

    def __init__(self, client_id: str, news: NewsFirst | None = None) -> None:
        self._news = news or NewsFirst()
        self.client_id = client_id
        self.readers: set[Reader] = set()
        self.place: Place | None = None
        self.number = 0
        self._log: dict[int, Told] = {}
        self._progress: dict[str, int] = {}
        self._cut_off = 0
        self._trim_at = TRIMMED_FROM
        self._known: OrderedDict[str, int] = OrderedDict()
        self._asked_at = 0
        self._asked_beyond: Mapping[str, int] = {}
        self._answered: dict[str, int] = {}

    def __len__(self) -> int:
        """How many versions are kept for readers who have not read them yet."""
        return len(self._log)

    @property
    def paging(self) -> bool:
        """Whether a further page of the primary's answer is lacking."""
        return self.place is not None and self.place.until is not None

    def notice(self, notice: Notice) -> bool:
        """Tell the version of a notice, if it follows on what was told of the job.

        Returns:
            Whether the primary has to be asked.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: as `Notice.job` does.
        """
        known = self._known.get(notice.job_id)
        if known is not None and notice.version <= known:
            return False
        place = self.place
        if known is None or place is None or self.paging:
            return True
        job = notice.job()
        if job.status_version > known + 1 or (len(place.beyond) >= MOST_BEYOND and job.id not in place.beyond):
            return True
        self.place = replace(place, beyond={**place.beyond, job.id: job.version})
        self._tell(job, self.place)
        self._news.tell(self.readers, methodcaller("changed", self))
        return len(self.place.beyond) >= ASK_FROM

    def asked(self) -> Place | None:
        """Note that the primary is about to be asked.

        Returns:
            The place after which it is asked.
        """
        if not self.paging:
            self._asked_at = self.number
            self._asked_beyond = self.place.beyond if self.place else {}
            self._answered = {}
        return self.place

    def answered(self, page: Moves) -> Joint | None:
        """Tell what the primary said, as far as it is news.

        Returns:
            Where readers may join, who were there before the primary was asked; None where another page follows, or
            too much was told meanwhile.
        """
        before = self.place or Place(page.until)
        self._answered |= {move.job.id: move.job.version for move in page.moves}
        news = [move for move in page.moves if not self._knows(move)]
        for move in news:
            self._tell(move.job, replace(before, until=page.until, after=move.position))
        if page.more:
            self.place = replace(before, until=page.until, after=page.moves[-1].position)
        else:
            self.place = Place(page.until, beyond=self._beyond(before))
            if news:  # all of the replay has been told with the last of it: its cursor need not say more
                self._log[self.number].place = self.place
        self._trim()
        if news:
            self._news.tell(self.readers, methodcaller("changed", self))
        return None if page.more else self._joint()

    def after(self, number: int) -> Sequence[Told] | None:
        """What follows in the log; None where some of that was given up, as nobody can keep it for ever."""
        if number < self._cut_off:
            return None
        following: list[Told] = []
        for told in reversed(self._log.values()):
            if told.number <= number:
                break
            following.append(told)
        return following[::-1]

    def _knows(self, move: Move) -> bool:
        job = move.job
        return job.version <= self._known.get(job.id, 0) or (
            self.place is not None and self.place.told(job.id, job.version)
        )

    def _beyond(self, before: Place) -> dict[str, int]:
        """What of the jobs told is not covered by the horizon that the primary has answered with.

        What was told before it was asked had been committed by then, so that it is covered, even if the job has been
        deleted since; of what was told while it was asked that is true only where it said so.
        """
        return {
            job_id: version
            for job_id, version in before.beyond.items()
            if self._asked_beyond.get(job_id) != version and self._answered.get(job_id, 0) < version
        }

    def _joint(self) -> Joint | None:
        assert self.place is not None  # noqa: S101 - it was set just now
        since_asked = self.after(self._asked_at)
        if since_asked is None:
            return None
        ahead = [
            told for told in since_asked if self._answered.get(told.snapshot.job.id, 0) < told.snapshot.job.version
        ]
        return Joint(self.place, self.number, ahead)

    def _tell(self, job: Job, place: Place) -> None:
        self.number += 1
        # Newest progress wins: what only moved it is worth nothing once there is a later version.
        superseded = self._progress.pop(job.id, None)
        if superseded is not None:
            self._log.pop(superseded, None)
        self._log[self.number] = Told(self.number, Snapshot(job), place)
        if job.version != job.status_version:
            self._progress[job.id] = self.number
        self._known[job.id] = job.version
        self._known.move_to_end(job.id)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        if len(self._log) >= self._trim_at:
            self._trim()

    def _trim(self) -> None:
        """Drop what every reader has read, and the oldest of what is more than can be kept."""
        read = min((reader.reached for reader in self.readers), default=self.number)
        for number in [*self._log]:
            if number > read and len(self._log) <= MOST_LOGGED:
                break
            told = self._log.pop(number)
            self._cut_off = number
            if self._progress.get(told.snapshot.job.id) == number:
                del self._progress[told.snapshot.job.id]
        self._trim_at = max(TRIMMED_FROM, min(2 * len(self._log), MOST_LOGGED + 1))
