"""Cursors: where a reader of a list or a stream stands, opaque, signed, and good for that list or stream alone.

What is signed needs no memory of ours: a cursor is good on every node, and after a restart.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

import orjson
from itsdangerous import BadSignature

from polling_api.signing.derivation import derived
from polling_api.signing.exact_signer import ExactSigner


class Cursor:
    """Signs and reads the cursors of one list or stream.

    Args:
        keys: the last signs, all verify.
        binding: what the cursors are good for, as a digest.
    """

    def __init__(self, keys: Sequence[bytes], binding: bytes) -> None:
        self._signer = ExactSigner(keys, salt=binding)

    def at(self, numbers: Sequence[int]) -> str:
        """The cursor that says where a reader stands, as numbers; printable ASCII without spaces."""
        return self._signer.sign(urlsafe_b64encode(orjson.dumps(numbers)).rstrip(b"=")).decode()

    def read(self, text: str) -> list[int] | None:
        """The numbers of a cursor; None where it is not ours, or was given for something else."""
        try:
            signed = self._signer.unsign(text.encode("ascii"))
        except (BadSignature, UnicodeEncodeError):
            return None
        return orjson.loads(urlsafe_b64decode(signed + b"=" * (-len(signed) % 4)))


class Cursors:
    """Makes the cursors of every list and stream.

    Args:
        master_keys: the first signs, all verify, so that a key can be replaced without a cursor lost.

    Raises:
        ValueError: there is none.
    """

    def __init__(self, master_keys: Sequence[str]) -> None:
        self._keys = derived(master_keys, "cursors")[::-1]

    def bound_to(self, *words: str) -> Cursor:
        """The cursors that are good for one thing alone, as it is named by these words."""
        return Cursor(self._keys, hashlib.sha256(orjson.dumps(words)).digest())
