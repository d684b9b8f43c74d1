"""Keys as those know them who verify: a secret, whose it is, and when it ends."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Key:
    """A key that is good until `ends_at`; None for no end."""

    id: str
    client_id: str
    secret: bytes = field(repr=False)
    ends_at: datetime | None


class Keys(Protocol):
    """Where keys are found."""

    async def find(self, key_id: str) -> Key | None:
        """The key of an id, if there is one and it is good now.

        Raises:
            Unavailable: that cannot be told now.
        """
        ...
