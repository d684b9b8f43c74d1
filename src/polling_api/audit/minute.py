"""The refusals of one minute, summed; how many sums there may be is bounded, whoever calls."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from polling_api import metrics
from polling_api.domain.audit import OTHERS, Entry, actor_of
from polling_api.domain.caller import Caller

MINUTE = timedelta(minutes=1)

# Sums of clients, and of strangers, who have their own: whoever has many addresses can use that up, and what is
# refused to clients is told one by one even then. In a day strangers leave 720,000 rows, some 250 MB, at the most.
MOST_OF_CLIENTS = 2000
MOST_OF_STRANGERS = 500


class _Key(NamedTuple):
    """What is summed: the same refusal of the same caller. A stranger is known by its address alone."""

    client_id: str | None
    actor: str
    stranger: str | None
    code: str
    route: str


@dataclass(slots=True)
class _Sum:
    """How many there were, and from where; None: from several addresses."""

    address: str | None
    count: int = 1

    def add(self, address: str | None) -> None:
        self.count += 1
        if self.address != address:
            self.address = None


class Minute:
    """What was refused in one minute.

    Args:
        begin: when it began.
    """

    def __init__(self, begin: datetime) -> None:
        self.begin = begin
        self._clients: dict[_Key, _Sum] = {}
        self._strangers: dict[_Key, _Sum] = {}
        self._others: dict[str, _Sum] = {}  # by code, of which there are a hundred

    @classmethod
    def of(cls, moment: datetime) -> "Minute":
        """The minute that a moment belongs to, empty."""
        return cls(moment.replace(second=0, microsecond=0))

    @property
    def end(self) -> datetime:
        """The first moment that is not of this minute."""
        return self.begin + MINUTE

    def holds(self, moment: datetime) -> bool:
        """Whether a moment is of this minute."""
        return self.begin <= moment < self.end

    def add(self, caller: Caller, code: str, route: str, address: str) -> None:
        """Count one refusal; with its own sum where there is room for one more."""
        if caller.client_id is None:
            sums, most, stranger = self._strangers, MOST_OF_STRANGERS, address
        else:
            sums, most, stranger = self._clients, MOST_OF_CLIENTS, None
        key = _Key(caller.client_id, actor_of(caller), stranger, code, route)
        if found := sums.get(key):
            found.add(address)
        elif len(sums) < most:
            sums[key] = _Sum(address)
        else:
            self._fold(code)

    def entries(self) -> list[Entry]:
        """A row for each sum."""
        told = [
            Entry(
                client_id=key.client_id,
                actor=key.actor,
                action=f"refused.{key.route}",
                outcome=key.code,
                address=summed.address,
                count=summed.count,
                minute=self.begin,
            )
            for sums in (self._clients, self._strangers)
            for key, summed in sums.items()
        ]
        folded = [
            Entry(client_id=None, actor=OTHERS, action="refused", outcome=code, count=summed.count, minute=self.begin)
            for code, summed in self._others.items()
        ]
        return told + folded

    def _fold(self, code: str) -> None:
        metrics.REFUSALS_FOLDED.inc()
        if found := self._others.get(code):
            found.add(None)
        else:
            self._others[code] = _Sum(None)
