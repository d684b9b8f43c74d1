"""A verifier that knows a key, and a clock that stands still."""

import pytest

from in_process.signed_requests import BurntNonces, KnownKeys, StoppedClock
from polling_api.signing.verifier import Verifier


@pytest.fixture
def keys() -> KnownKeys:
    return KnownKeys()


@pytest.fixture
def nonces() -> BurntNonces:
    return BurntNonces()


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def verifier(keys: KnownKeys, nonces: BurntNonces, clock: StoppedClock) -> Verifier:
    return Verifier(keys, nonces, authorities=["Polling.Example", "other.example:8443"], clock=clock)
