"""Secrets at rest: encrypted, and each bound to what it belongs to.

Signatures are made with the secret itself (HMAC), so a digest of it would not do.
"""

import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from polling_api.signing.derivation import derived

SECRET_BYTES = 32


class SealedError(Exception):
    """A secret that cannot be opened; the message says which, and never what is in it."""


class Vault:
    """Seals and opens secrets (Fernet: AES-128-CBC with HMAC-SHA-256).

    Args:
        master_keys: the first seals, all of them open, so that a master key can be replaced while the service runs.

    Raises:
        ValueError: there is none.
    """

    def __init__(self, master_keys: Sequence[str]) -> None:
        fernets = [Fernet(urlsafe_b64encode(key)) for key in derived(master_keys, "secrets at rest")]
        self._first, self._all = fernets[0], MultiFernet(fernets)

    def seal(self, owner: str, secret: bytes) -> bytes:
        """Encrypt a secret for what it belongs to: the id of a key, say. An id holds no NUL."""
        return self._first.encrypt(owner.encode() + b"\0" + secret)

    def open(self, owner: str, sealed: bytes) -> bytes:
        """Decrypt a secret.

        Raises:
            SealedError: none of the master keys opens it, or it was sealed for something else: whoever can write
                into the database could else give one key another's secret.
        """
        try:
            opened = self._all.decrypt(sealed)
        except InvalidToken:
            raise SealedError(
                f"No master key opens the secret of {owner}. "
                "POLLING_MASTER_KEYS has to hold the one it was sealed with."
            ) from None
        sealed_for, _, secret = opened.partition(b"\0")
        if sealed_for != owner.encode():
            raise SealedError(f"The secret that is kept for {owner} was sealed for something else.")
        return secret

    def resealed(self, owner: str, sealed: bytes) -> bytes | None:
        """The secret as the first master key seals it; None where it is sealed with that one already.

        Raises:
            SealedError: as `open` does.
        """
        secret = self.open(owner, sealed)
        try:
            self._first.decrypt(sealed)
        except InvalidToken:
            return self.seal(owner, secret)
        return None


def new_secret() -> bytes:
    """Draw a secret from the operating system's generator."""
    return secrets.token_bytes(SECRET_BYTES)


def shown(secret: bytes) -> str:
    """A secret as it is told to its owner, once: base64 (RFC 4648, section 4)."""
    return b64encode(secret).decode()
