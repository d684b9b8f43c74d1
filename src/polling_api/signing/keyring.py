import asyncio
from collections.abc import Sequence
from typing import Any


class Keyring:
    def __init__(self, engine: Any, master_keys: Sequence[str]) -> None: ...

    @property
    def stale(self) -> bool:
        return False

    def ended(self, key_id: str) -> bool:
        return False

    async def run(self) -> None:
        await asyncio.Event().wait()
