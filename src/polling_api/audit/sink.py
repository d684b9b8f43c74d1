"""The seam between what is recorded and where it is kept."""

from collections.abc import Sequence
from typing import Protocol

from polling_api.domain.audit import Entry


class Sink(Protocol):
    """Writes entries; they are kept for good when it returns."""

    async def __call__(self, entries: Sequence[Entry], /) -> None:
        """Write all or none of these, within a bounded time.

        Raises:
            Unavailable: they may or may not be written.
        """
        ...
