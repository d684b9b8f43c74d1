"""Messages that were taken before: senders repeat what they got no answer to, and others what they have seen."""

from collections import OrderedDict


class Repeats:
    """The ids of the last messages.

    Args:
        most: ids that are kept. Whoever makes it forget one costs us a look, and no more.
    """

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._ids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._ids

    def add(self, message_id: str) -> None:
        """Remember an id, for as long as there is room."""
        self._ids[message_id] = None
        if len(self._ids) > self._most:
            self._ids.popitem(last=False)
