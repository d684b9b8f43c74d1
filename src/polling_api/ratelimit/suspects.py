"""Who asks for one unknown id after another, or signs wrongly again and again."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import count

from polling_api.ratelimit.blocks import Blocks
from polling_api.ratelimit.crowd import Crowd
from polling_api.ratelimit.exchange import Others, Page
from polling_api.ratelimit.party import Party
from polling_api.ratelimit.stretches import Stretches

ENOUGH = 20  # different unknown ids, or failed signatures
WITHIN = 60  # seconds
MOST_DEEDS = 1000  # that are read of what one other process says of one name

_MOST = 10_000  # names, some 30 MB at worst; those with the fewest deeds give way
_STRETCHES = Stretches("suspects", WITHIN)
_SWEPT_AT_ONCE = 200

Deeds = dict[str, float]  # what was done, and when last (epoch seconds)


class _Suspect:
    """What one name did, as seen here and as told by others. At most `enough` deeds here, so in bounded memory."""

    __slots__ = ("_enough", "elsewhere", "here", "key", "last", "name")

    def __init__(self, kind: str, name: str, enough: int) -> None:
        self._enough = enough
        self.key = f"{kind}/{name}"
        self.name = name
        self.here: Deeds = {}
        self.elsewhere: Deeds = {}
        self.last = 0.0

    def did(self, deed: str, now: float) -> None:
        self.last = now
        self.here.pop(deed, None)
        self.here[deed] = now
        for old, at in list(self.here.items()):
            if at <= now - WITHIN or len(self.here) > self._enough:
                del self.here[old]

    def different(self, since: float) -> int:
        deeds = self.elsewhere | self.here if self.elsewhere else self.here
        return sum(at > since for at in deeds.values())


class Suspects:
    """Counts the different deeds of each name within a minute; a `Part` of what is reconciled.

    Args:
        process: a name for this process that no other has, nor had before.
        blocks: told who has done enough.
        most: names at once.
        enough: different deeds within a minute that lead to a block; 0 for none that do.
    """

    def __init__(self, process: str, blocks: Blocks, most: int = _MOST, enough: int = ENOUGH) -> None:
        self._process = process
        self._blocks = blocks
        self._enough = enough
        self._noted = OrderedDict[_Suspect, None]()
        self._suspects = Crowd[_Suspect](
            "suspects", most, lambda one: len(one.here), lambda one: self._noted.pop(one, None)
        )
        self._offered: list[_Suspect] = []
        self._serial = count()

    @property
    def waiting(self) -> int:
        """How many names' deeds the others do not know."""
        return len(self._noted)

    def missed(self, party: Party, ids: Iterable[str], now: float) -> None:
        """A call of `party` named ids that are unknown to it: one deed, another for other ids.

        Args:
            party: who asked.
            ids: the one in the path, or all unknown ones of a batch-get.
            now: epoch seconds.
        """
        deed = blake2b("\n".join(sorted(ids)).encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
        self._did("id", party.key, deed, now)

    def signed_wrongly(self, nobody: Party, now: float) -> None:
        """A signature from an address failed; each time is a deed.

        Args:
            nobody: the party of the address.
            now: epoch seconds.
        """
        self._did("signature", nobody.key, f"{self._process}{next(self._serial)}", now)

    def offers(self, most: int, now: float) -> list[Page]:
        """What to share now, of at most `most` names."""
        self._suspects.sweep(lambda one: one.last <= now - WITHIN, _SWEPT_AT_ONCE)
        taken = [self._noted.popitem(last=False)[0] for _ in range(min(most, len(self._noted)))]
        self._offered = taken
        return _STRETCHES.pages({one.key: _shared(one.here) for one in taken}, now)

    def heard(self, others: Sequence[Others], now: float) -> None:
        """Take over what was done elsewhere."""
        offered, self._offered = self._offered, []
        for one in offered:
            one.elsewhere = _told(_STRETCHES.newest(others, one.key), now)
            self._judge(one, now)

    def unheard(self) -> None:
        """Share again what was offered."""
        for one in self._offered:
            self._note(one)
        self._offered = []

    def repeat(self) -> None:
        """Share everything again."""
        for one in self._suspects.values():
            self._note(one)

    def _did(self, kind: str, name: str, deed: str, now: float) -> None:
        if not self._enough:
            return
        key = f"{kind}/{name}"
        one = self._suspects.find(key)
        if one is None:
            one = _Suspect(kind, name, self._enough)
            self._suspects.put(key, one)
        one.did(deed, now)
        self._note(one)
        self._judge(one, now)

    def _judge(self, one: _Suspect, now: float) -> None:
        if one.different(max(now - WITHIN, self._blocks.began(one.name))) >= self._enough:
            self._blocks.block(one.name, now)

    def _note(self, one: _Suspect) -> None:
        if self._suspects.find(one.key) is one:
            self._noted[one] = None


def _shared(deeds: Deeds) -> str:
    return " ".join(f"{deed}@{at:.3f}" for deed, at in deeds.items())


def _told(others: Iterable[str], now: float) -> Deeds:
    deeds: Deeds = {}
    for value in others:
        for deed, _, at in (word.partition("@") for word in value.split()[:MOST_DEEDS]):
            try:
                when = float(at)
            except ValueError:  # somebody else's hand in our Redis
                continue
            if when > now - WITHIN:
                deeds[deed] = max(when, deeds.get(deed, 0.0))
    return deeds
