"""Where the truth about keys is, as the keyring asks for it."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol


class End(Protocol):
    """When a key ends."""

    @property
    def ends_at(self) -> datetime | None:
        """The moment, None for never."""
        ...

    @property
    def ended(self) -> bool:
        """Whether that is over by the clock of those who keep it."""
        ...


class SealedKey(Protocol):
    """A key whose secret the vault has to open."""

    @property
    def client_id(self) -> str:
        """Whose key it is."""
        ...

    @property
    def sealed(self) -> bytes:
        """Its secret, as the vault sealed it for the key's id."""
        ...

    @property
    def end(self) -> End:
        """When it ends."""
        ...


class KeySource(Protocol):
    """The primary. Every call has a deadline and raises `polling_api.errors.Unavailable`."""

    async def find(self, ids: Collection[str]) -> Mapping[str, SealedKey]:
        """Each key that exists, ended or not."""
        ...

    async def ends(self, ids: Collection[str]) -> Mapping[str, End]:
        """The end of each key that exists. An end may be moved, but never to a later time."""
        ...

    async def ended_since(self, seconds: float) -> Collection[str]:
        """All keys that have ended within the last so many seconds."""
        ...

    async def note_used(self, ago: Mapping[str, float]) -> None:
        """Keep for each key that it was used so many seconds ago."""
        ...
