"""Signatures in text, of which each has one form only."""

import hashlib
from collections.abc import Sequence

from itsdangerous import Signer
from itsdangerous.encoding import base64_decode, base64_encode
from itsdangerous.exc import BadData


class ExactSigner(Signer):
    """Signs with HMAC-SHA256, and takes a signature only as it was written.

    Base64 as it is usually read passes over what does not belong to it, and over the last bits: then a text that was
    changed would be as good as the one that was given out.

    Args:
        keys: the last signs, all verify.
        salt: what the signatures are for.
    """

    def __init__(self, keys: Sequence[bytes], salt: bytes) -> None:
        super().__init__(list(keys), salt=salt, key_derivation="hmac", digest_method=hashlib.sha256)

    def verify_signature(self, value: str | bytes, sig: str | bytes) -> bool:
        """Whether `sig` is what `value` was signed with."""
        written = sig.encode() if isinstance(sig, str) else sig
        try:
            exact = base64_encode(base64_decode(written)) == written
        except BadData:
            return False
        return exact and super().verify_signature(value, sig)
