"""Nonces of all nodes: the store's word, and beside it what this node has seen."""

import time
from collections.abc import Callable
from hashlib import blake2b

from polling_api import metrics
from polling_api.resilience.breaker import Breaker, CircuitOpen, Policy
from polling_api.signing.nonces.protocol import Burnt, NonceStore
from polling_api.signing.nonces.seen import Seen, SeenNonces

# A call that fails costs 20 ms at most, so a few of them do no harm, and one pause of the event loop, which ends all
# calls that wait, must not turn writes away for long.
NONCE_CIRCUIT = Policy(window=5, fewest=20, failure_share=0.5, open_first=0.5, open_most=5)

_DIGEST_BYTES = 16  # enough against finding a nonce that collides with another key's, at a third of the memory


class SharedNonces:
    """Burns nonces.

    Args:
        store: what all nodes share.
        seen: what this node remembers.
        breaker: keeps requests from waiting for a store that does not answer; by `NONCE_CIRCUIT`.
        clock: monotonic seconds.
    """

    def __init__(
        self, store: NonceStore, seen: SeenNonces, breaker: Breaker, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._seen = seen
        self._breaker = breaker
        self._clock = clock

    async def burn(self, key_id: str, nonce: str) -> Burnt:
        """Use up a nonce of a key.

        It is remembered here before the store is asked, so that of two requests with one nonce that come together
        while the store is away, one passes. A nonce stays burnt whatever the store says, or if nobody waits for it.
        """
        burnt = await self._burn(digest(key_id, nonce))
        metrics.nonces(burnt).inc()
        return burnt

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()

    async def _burn(self, digest: bytes) -> Burnt:
        if self._seen.remember(digest, self._clock()) is Seen.KNOWN:
            return Burnt.USED
        try:
            with self._breaker.attempt():
                fresh = await self._store.add(digest)
        except (CircuitOpen, ConnectionError):
            return Burnt.UNSURE
        self._seen.share(digest)
        return Burnt.FRESH if fresh else Burnt.USED


def digest(key_id: str, nonce: str) -> bytes:
    """What stands for a nonce of a key; neither can be read from it, and no two pairs share a text."""
    return blake2b(f"{len(key_id)} {key_id} {nonce}".encode(), digest_size=_DIGEST_BYTES).digest()
