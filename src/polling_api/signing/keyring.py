"""Keys in the memory of one process, kept true: a signed request costs no read, and a key that ends is soon refused."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple, TypeVar

import structlog

from polling_api import metrics
from polling_api.domain.client import KEY_ID
from polling_api.errors import Unavailable
from polling_api.resilience.backoff import jittered
from polling_api.resilience.coalesce import CoalescedReads
from polling_api.signing.ended_keys import EndedKeys
from polling_api.signing.key_source import End, KeySource, SealedKey
from polling_api.signing.keys import Key
from polling_api.signing.uses import Uses
from polling_api.signing.vault import SealedError, Vault

REFRESH_EVERY = 2.0  # seconds: with a refresh that takes as long, a key that ends is refused within 5 s
ANSWER_WITHIN = 2.0  # seconds: a refresh that takes longer would come too late, and the next may find the way open
STALE_AFTER = 5.0  # seconds, by the contract
MOST_REFRESHES = 3  # under way: to give up a connection that does not answer takes the driver some seconds more
MOST_HELD = 10_000  # keys, some 1 KiB each
MOST_ABSENT = 10_000  # ids: who makes them up must not fill the memory
ABSENT_FOR = 3.0  # seconds: the same wrong id asks the primary no more often
REFRESHED_AT_ONCE = 1_000  # ids in one statement
RETRY_AFTER = 2  # seconds

Value = TypeVar("Value")

_log = structlog.get_logger(__name__)


class _Absent(NamedTuple):
    """A key that is not to be had: there is none, or its secret stays sealed. Asked for again after `until`."""

    until: float
    sealed: bool


class Keyring:
    """The keys that are in use here, and which of all keys have ended lately.

    While the primary is away, what is in memory goes on to be used; `stale` tells when that is no longer enough for
    results and writes.

    Args:
        source: the primary.
        vault: opens the secrets.
        most_held: keys in memory.
        most_absent: ids in memory for which there is none.
        clock: monotonic seconds.
        now: the time of day, by which a key's end is judged between two refreshes.
    """

    def __init__(
        self,
        source: KeySource,
        vault: Vault,
        *,
        most_held: int = MOST_HELD,
        most_absent: int = MOST_ABSENT,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._source = source
        self._vault = vault
        self._most_held = most_held
        self._most_absent = most_absent
        self._clock = clock
        self._now = now
        self._held: OrderedDict[str, Key] = OrderedDict()
        self._absent: OrderedDict[str, _Absent] = OrderedDict()
        self._ended = EndedKeys()
        self._uses = Uses(source, clock)
        self._found_live = metrics.KEY_READS.labels("live")
        self._reads = CoalescedReads(self._read, metrics.KEY_READS)
        self._confirmed_at: float | None = None
        self._refreshing: set[asyncio.Task[None]] = set()

    async def find(self, key_id: str) -> Key | None:
        """The key of an id, if there is one and it is good now; no I/O where it is in memory.

        What does not look like a key's id is never asked for.

        Raises:
            Unavailable: it is not in memory, and the primary does not answer, or its secret cannot be opened here.
        """
        key = self._held.get(key_id)
        if key is not None:
            self._held.move_to_end(key_id)
            self._found_live.inc()
        elif key_id not in self._ended and KEY_ID.fullmatch(key_id):
            key = await self._load(key_id)
        return key if key is not None and self._is_good(key) else None

    def ended(self, key_id: str) -> bool:
        """Whether a key is known to have ended, for a token that was made with it; no I/O.

        Raises:
            Unavailable: nothing has been read yet, in the first moments of a process.
        """
        if not self._ended.complete:
            raise Unavailable("It is not known yet which keys have ended.", retry_after=jittered(RETRY_AFTER))
        return key_id in self._ended

    @property
    def stale(self) -> bool:
        """Whether a key may have ended more than 5 s ago without its being known here."""
        return self._confirmed_at is None or self._clock() - self._confirmed_at > STALE_AFTER

    def used(self, key_id: str) -> None:
        """Note that a key was used now; it is written within two minutes, unless the process is killed before."""
        self._uses.note(key_id)

    def revoked(self, ids: Collection[str]) -> None:
        """Refuse keys that this process itself has revoked, from now on."""
        self._ended.add(ids, self._clock())

    async def run(self) -> None:
        """Refresh again and again, until cancelled. A refresh that hangs does not hold up the next."""
        try:
            while True:
                if len(self._refreshing) < MOST_REFRESHES:
                    refresh = asyncio.create_task(self._try_to_refresh())
                    self._refreshing.add(refresh)
                    refresh.add_done_callback(self._refreshing.discard)
                await asyncio.sleep(REFRESH_EVERY)
        finally:
            for refresh in self._refreshing:
                refresh.cancel()
            await asyncio.gather(*self._refreshing, return_exceptions=True)

    async def close(self) -> None:
        """Write when keys were used, at the process's end; what cannot be written soon is given up."""
        await self._try_to(self._uses.flush)

    async def refresh(self) -> None:
        """Read anew when the keys in memory end, and which keys have ended.

        An answer may be old when it comes, since refreshes overtake each other: it can bring a key's end forward, and
        never put it off.

        Raises:
            Unavailable: the primary does not answer; what it has answered is taken.
        """
        asked_at = self._clock()
        unread = self._ended.unread(asked_at)
        held = iter(tuple(self._held))
        while some := list(islice(held, REFRESHED_AT_ONCE)):
            self._take_ends(some, await self._source.ends(some))
        self._ended.add(await self._source.ended_since(unread), self._clock())
        self._ended.completed(asked_at)
        self._confirmed_at = max(self._confirmed_at or asked_at, asked_at)

    async def _try_to_refresh(self) -> None:
        await self._try_to(self.refresh, self._uses.flush_if_due)

    async def _try_to(self, *steps: Callable[[], Awaitable[None]]) -> None:
        for step in steps:
            try:
                async with asyncio.timeout(ANSWER_WITHIN):
                    await step()
            except (Unavailable, TimeoutError) as error:
                _log.warning("keys could not be refreshed", reason=str(error) or "no answer in time")
                return
            except Exception:  # noqa: BLE001 - a mistake of ours: logged, and `stale` closes what has to be closed
                _log.exception("refreshing keys failed")
                return

    async def _load(self, key_id: str) -> Key | None:
        absent = self._absent.get(key_id)
        if absent is None or absent.until <= self._clock():
            key = await self._reads.get(key_id)
            if key is not None:
                return key
            absent = self._absent.get(key_id)
        if absent is not None and absent.sealed:
            raise Unavailable("The key's secret cannot be opened here now.", retry_after=jittered(RETRY_AFTER))
        return None

    def _is_good(self, key: Key) -> bool:
        return key.id not in self._ended and (key.ends_at is None or self._now() < key.ends_at)

    async def _read(self, ids: Collection[str]) -> Mapping[str, Key]:
        found = await self._source.find(ids)
        for key_id in ids:
            if (sealed := found.get(key_id)) is None:
                self._note_absent(key_id, sealed=False)
            elif sealed.end.ended:
                self._ended.add([key_id], self._clock())
            else:
                self._open(key_id, sealed)
        return {key_id: self._held[key_id] for key_id in found if key_id in self._held}

    def _open(self, key_id: str, sealed: SealedKey) -> None:
        try:
            secret = self._vault.open(key_id, sealed.sealed)
        except SealedError as error:
            _log.error("a key's secret cannot be opened", key_id=key_id, reason=str(error))
            self._note_absent(key_id, sealed=True)
        else:
            _put(self._held, key_id, Key(key_id, sealed.client_id, secret, sealed.end.ends_at), self._most_held)

    def _note_absent(self, key_id: str, *, sealed: bool) -> None:
        _put(self._absent, key_id, _Absent(self._clock() + ABSENT_FOR, sealed), self._most_absent)

    def _take_ends(self, asked: Collection[str], ends: Mapping[str, End]) -> None:
        for key_id in asked:
            end, key = ends.get(key_id), self._held.get(key_id)
            if end is None or end.ended:
                self._held.pop(key_id, None)
            if end is not None and end.ended:
                self._ended.add([key_id], self._clock())
            elif end is not None and key is not None and _sooner(end.ends_at, key.ends_at):
                self._held[key_id] = replace(key, ends_at=end.ends_at)


def _sooner(one: datetime | None, other: datetime | None) -> bool:
    """Whether an end, None for never, comes before another."""
    return one is not None and (other is None or one < other)


def _put(mapping: "OrderedDict[str, Value]", key_id: str, value: Value, most: int) -> None:
    mapping[key_id] = value
    mapping.move_to_end(key_id)
    if len(mapping) > most:
        mapping.popitem(last=False)
