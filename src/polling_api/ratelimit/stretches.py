"""What has no window of its own, on pages for stretches of time all the same: so it ends by itself, and all at once."""

from collections.abc import Collection, Mapping, Sequence

from polling_api.ratelimit.exchange import PREFIX, Others, Page

_LIFE_MARGIN = 5  # seconds: clocks differ


class Stretches:
    """Pages of one kind, of which a value means something for so long after it was said.

    It is said in the present stretch, and read in that and the one before.

    Args:
        kind: in the pages' keys.
        length: seconds that a value means something, and of a stretch.
    """

    def __init__(self, kind: str, length: int) -> None:
        self._kind = kind
        self._length = length

    def pages(self, values: Mapping[str, str], now: float) -> list[Page]:
        """Say values by name, and ask for the others'."""
        if not values:
            return []
        said, asked = [word for item in values.items() for word in item], list(values)
        begins = int(now // self._length) * self._length
        return [self._page(begins, now, said, asked), self._page(begins - self._length, now, (), asked)]

    def newest(self, others: Sequence[Others], name: str) -> Collection[str]:
        """What each other process said last of `name`, by the answers to `pages`."""
        present, before = others
        return {**before.get(name, {}), **present.get(name, {})}.values()

    def _page(self, begins: int, now: float, said: Sequence[str], asked: Sequence[str]) -> Page:
        life = int(begins + 2 * self._length - now) + _LIFE_MARGIN
        return Page(f"{PREFIX}:{self._kind}:{begins}", begins, life, said, asked)
