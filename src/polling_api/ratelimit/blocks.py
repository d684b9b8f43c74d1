"""Who is shut out for some time, on every node."""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from polling_api.ratelimit.crowd import Crowd
from polling_api.ratelimit.exchange import Notice
from polling_api.ratelimit.party import Party

FIRST, LONGEST = 60.0, 86_400.0  # seconds; each block is twice as long as the one before it
FORGOTTEN_AFTER = 86_400.0  # seconds after its end; the next one is as long as the first again

_CLOCKS_DIFFER = 60.0  # seconds at most; what begins later is nonsense, and would hold until then

_MOST = 20_000  # names, some 6 MB; the ones that end first give way
_POSTED_AT_ONCE = 500
_SWEPT_AT_ONCE = 100
_MOST_DOUBLINGS = 17  # a second doubled so often is more than a day


class Block(NamedTuple):
    """That `name` is shut out from `began` to `ends` (epoch seconds), for the `strikes`-th time; 0 if it was lifted."""

    name: str
    began: float
    ends: float
    strikes: int

    def notice(self) -> Notice:
        """As it is shared."""
        return Notice(self.name, self.began, f"{self.ends:.6f} {self.strikes}")

    @classmethod
    def of(cls, notice: Notice) -> "Block":
        """Read a notice.

        Raises:
            ValueError: it is not about a block, or about one that nobody gets.
        """
        ends, strikes = notice.text.split()
        block = cls(notice.name, notice.began, float(ends), int(strikes))
        if not 0 <= block.ends - block.began <= LONGEST:  # as of what is no number
            raise ValueError("no block lasts so long")
        return block


def next_block(name: str, now: float, known: Block | None, first: float = FIRST) -> Block:
    """The block that `name` gets at `now`, which is not blocked then.

    Args:
        name: a party's key.
        now: epoch seconds.
        known: the last one, where it is remembered.
        first: seconds that the first one lasts.
    """
    strikes = known.strikes + 1 if known is not None and now < known.ends + FORGOTTEN_AFTER else 1
    return Block(name, now, now + min(first * 2.0 ** min(strikes - 1, _MOST_DOUBLINGS), LONGEST), strikes)


def lifted(name: str, now: float) -> Block:
    """The end of a block, and of the memory of those before it."""
    return Block(name, now, now, 0)


class Blocks:
    """The blocks that this process knows of; a `Board` of what is reconciled.

    Two processes that block one name at the same time make one block of it: of two, the one that began later holds.

    Args:
        most: how many are kept.
        first: seconds that the first block of a name lasts.
    """

    def __init__(self, most: int = _MOST, first: float = FIRST) -> None:
        self._first = first
        self._unposted: dict[str, Block] = {}
        self._blocks = Crowd[Block](
            "blocks", most, lambda block: block.ends, lambda block: self._unposted.pop(block.name, None)
        )
        self._posted: list[Block] = []

    def left(self, party: Party, now: float) -> int:
        """Whole seconds for which `party` is still shut out, 0 for one that is not.

        A party is judged by its own name. Who is named by a good signature or token is so not bound by what others do
        at the same address.
        """
        if not len(self._blocks):
            return 0
        block = self._blocks.find(party.key)
        return 0 if block is None else max(0, ceil(block.ends - now))

    def began(self, name: str) -> float:
        """When the last block of `name` began, or was lifted, epoch seconds: what was done before is dealt with."""
        block = self._blocks.find(name)
        return 0.0 if block is None else block.began

    def block(self, name: str, now: float) -> None:
        """Shut `name` out, unless it is already."""
        known = self._blocks.find(name)
        if known is None or known.ends <= now:
            self._keep(next_block(name, now, known, self._first))

    def lift(self, name: str, now: float) -> None:
        """Let `name` in again, and forget what it did."""
        self._keep(lifted(name, now))

    def standing(self, now: float) -> list[Block]:
        """Those that hold now."""
        return [block for block in self._blocks.values() if block.ends > now]

    def post(self) -> list[Notice]:
        """Those that the others do not know."""
        self._posted = list(self._unposted.values())[:_POSTED_AT_ONCE]
        for block in self._posted:
            del self._unposted[block.name]
        return [block.notice() for block in self._posted]

    def unposted(self) -> None:
        """They may still not know those that `post` gave."""
        for block in self._posted:
            if self._blocks.find(block.name) is block:  # else there is a later one, or it gave way meanwhile
                self._unposted[block.name] = block
        self._posted = []

    def post_all(self) -> None:
        """They know none any more."""
        self._unposted = {block.name: block for block in self._blocks.values()}

    def read(self, notices: Sequence[Notice], now: float) -> None:
        """Take over what others know later; what cannot be read is left out, since anybody may write to Redis."""
        self._posted = []
        self._blocks.sweep(lambda block: block.ends + FORGOTTEN_AFTER <= now, _SWEPT_AT_ONCE)
        for notice in notices:
            try:
                block = Block.of(notice)
            except ValueError:
                continue
            later = self.began(block.name) < block.began <= now + _CLOCKS_DIFFER
            if later and now < block.ends + FORGOTTEN_AFTER:
                self._blocks.put(block.name, block)

    def _keep(self, block: Block) -> None:
        self._blocks.put(block.name, block)
        self._unposted[block.name] = block
