"""How many connections a process holds open, in all and of one address."""

from collections.abc import Callable

from polling_api import metrics
from polling_api.errors import Unavailable
from polling_api.protocol.backlog import Backlog
from polling_api.ratelimit.address import site_of

MOST_TURNED_AWAY = 100  # connections over the cap that are told so at once; more are cut without a word

_AGAIN_AFTER = 5  # seconds: another process may have room


class Capacity:
    """Counts connections from when they are accepted, whether anything was asked on them or not.

    Args:
        most: at once in this process.
        most_of_address: at once from one address (IPv6: from one /64).
        carries_many: whether a peer is counted by the process alone, since many callers come through it: a proxy.
        backlog: bounds what waits for their readers.

    Attributes:
        backlog: as above.
    """

    def __init__(
        self,
        most: int,
        most_of_address: int,
        carries_many: Callable[[str | None], bool],
        backlog: Backlog | None = None,
    ) -> None:
        self.backlog = Backlog() if backlog is None else backlog
        self._most = most
        self._most_of_address = most_of_address
        self._carries_many = carries_many
        self._open = 0
        self._of_address: dict[str, int] = {}
        self._turned_away = 0

    @property
    def open(self) -> int:
        """How many connections are counted."""
        return self._open

    @property
    def addresses(self) -> int:
        """How many addresses are counted one by one."""
        return len(self._of_address)

    def enter(self, peer: str | None) -> str:
        """Count a new connection.

        Args:
            peer: the host that it comes from; None on a Unix socket.

        Returns:
            What it is counted for, for `leave`.

        Raises:
            Unavailable: there is no room for it (`overloaded`).
        """
        if self._open >= self._most:
            metrics.CONNECTIONS_REFUSED.labels("process").inc()
            raise Unavailable(
                "This process has as many connections open as it can.", code="overloaded", retry_after=_AGAIN_AFTER
            )
        name = "" if self._carries_many(peer) else site_of(peer)
        if name:
            before = self._of_address.get(name, 0)
            if before >= self._most_of_address:
                metrics.CONNECTIONS_REFUSED.labels("address").inc()
                raise Unavailable(
                    f"Your address has {before} connections open here, and no more are taken: use them again.",
                    code="overloaded",
                    retry_after=_AGAIN_AFTER,
                )
            self._of_address[name] = before + 1
        self._open += 1
        metrics.CONNECTIONS.inc()
        return name

    def leave(self, name: str) -> None:
        """Count a connection no more that `enter` has counted for `name`."""
        self._open -= 1
        metrics.CONNECTIONS.dec()
        left = self._of_address.get(name, 0) - 1
        if left > 0:
            self._of_address[name] = left
        else:
            self._of_address.pop(name, None)

    def turn_away(self) -> bool:
        """Whether a connection that is over the cap may stay long enough to be told so; `turned_away` ends that."""
        if self._turned_away >= MOST_TURNED_AWAY:
            return False
        self._turned_away += 1
        return True

    def turned_away(self) -> None:
        """One that was told is gone."""
        self._turned_away -= 1
