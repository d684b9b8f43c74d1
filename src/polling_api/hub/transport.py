"""The seam between the hub and what carries its messages: Redis, or a bus in this process that behaves alike."""

from collections.abc import Sequence
from typing import Protocol

import structlog

from polling_api.hub.notice import Notice

_log = structlog.get_logger(__name__)


class Listener(Protocol):
    """Who is told. Both calls are quick, are made on the event loop, and raise nothing."""

    def notice(self, notice: Notice) -> None:
        """A message came; it may be old, doubled or of a job nobody here knows."""
        ...

    def gap(self) -> None:
        """Messages may have been missed up to now; from now on they are heard again."""
        ...


class Transport(Protocol):
    """Carries notices to all processes, at most once each."""

    @property
    def listening(self) -> bool:
        """Whether messages are being heard now."""
        ...

    async def publish(self, notices: Sequence[Notice]) -> None:
        """Send notices in one go, within a bounded time.

        Raises:
            ConnectionError: none, some or all of them may have been sent.
        """
        ...

    async def listen(self, listener: Listener) -> None:
        """Tell `listener` all that comes, until cancelled; reconnects by itself and tells each gap."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


def tell(listener: Listener, message: bytes) -> None:
    """Give `listener` the notice in a message from the wire; what is none is logged and forgotten."""
    try:
        notice = Notice.decode(message)
    except ValueError:
        _log.warning("a message that is no notice", size=len(message))
    else:
        listener.notice(notice)
