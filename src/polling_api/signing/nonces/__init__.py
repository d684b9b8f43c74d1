"""Nonces: a signature is good once, on all nodes together."""

from polling_api.signing.nonces.local import LocalNonceStore
from polling_api.signing.nonces.protocol import KEPT, Burnt, Nonces, NonceStore
from polling_api.signing.nonces.redis import RedisNonceStore
from polling_api.signing.nonces.seen import SeenNonces
from polling_api.signing.nonces.shared import NONCE_CIRCUIT, SharedNonces

__all__ = [
    "KEPT",
    "NONCE_CIRCUIT",
    "Burnt",
    "LocalNonceStore",
    "NonceStore",
    "Nonces",
    "RedisNonceStore",
    "SeenNonces",
    "SharedNonces",
]
