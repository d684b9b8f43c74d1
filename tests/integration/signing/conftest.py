"""Keyrings, each with a primary of its own to ask, as nodes have them."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.key_sources import Clock, HeldKeys
from polling_api.signing.keyring import Keyring
from running.keyholders import VAULT, Made, make_client


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source(engine: AsyncEngine) -> HeldKeys:
    return HeldKeys(engine)


@pytest.fixture
def keyring(source: HeldKeys, clock: Clock) -> Keyring:
    return Keyring(source, VAULT, clock=clock)


@pytest.fixture
async def key(engine: AsyncEngine) -> Made:
    """The first key of a client; it has no end."""
    return await make_client(engine)
