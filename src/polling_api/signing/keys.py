"""Keys that clients sign with, and where they are found."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Key:
    """One key of one client, good until it ends (None: for good). Its secret is no part of its text."""

    id: str
    client_id: str
    secret: bytes = field(repr=False)
    ends_at: datetime | None = None

    def good(self, now: float) -> bool:
        """Whether it has not ended, at `now` in Unix seconds."""
        return self.ends_at is None or now < self.ends_at.timestamp()


class Keys(Protocol):
    """Finds keys."""

    async def find(self, key_id: str) -> Key | None:
        """The key of that id; None where there is none, or where it was revoked.

        Raises:
            Unavailable: it cannot be told now.
        """
        ...
