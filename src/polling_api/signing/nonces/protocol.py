"""What nonces are asked, and what keeps them for all nodes."""

from enum import StrEnum
from typing import Protocol

KEPT = 600  # seconds: twice the skew, the longest that a signature can be shown from its first use on


class Burnt(StrEnum):
    """What a nonce was before it was burnt.

    `FRESH`: used by nobody. `USED`: used before. `UNSURE`: this node does not know it, and what all nodes share
    cannot be asked.
    """

    FRESH = "fresh"
    USED = "used"
    UNSURE = "unsure"


class Nonces(Protocol):
    """Nonces that were used."""

    async def burn(self, key_id: str, nonce: str) -> Burnt:
        """Use up a nonce of a key, after its signature was found to hold."""
        ...


class NonceStore(Protocol):
    """What all nodes share."""

    async def add(self, digest: bytes) -> bool:
        """Keep a nonce for `KEPT` seconds.

        Args:
            digest: of the key and the nonce.

        Returns:
            Whether it was not kept already. Of any number who add one at the same time, one is told so.

        Raises:
            ConnectionError: there was no answer in time. It may be kept all the same.
        """
        ...

    async def close(self) -> None:
        """Let go of what it holds."""
        ...
