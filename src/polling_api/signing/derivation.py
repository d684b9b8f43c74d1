"""Keys for one purpose each, derived from the master keys, so that what leaks of one opens nothing else."""

from collections.abc import Sequence

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32


def derived(master_keys: Sequence[str], purpose: str) -> list[bytes]:
    """The keys for `purpose`, in the order of the master keys: the first makes, all of them verify (HKDF, RFC 5869).

    Args:
        master_keys: as in the settings.
        purpose: a label, another for each use.

    Raises:
        ValueError: there is no master key.
    """
    if not master_keys:
        raise ValueError(f"There is no master key to derive one for {purpose} from.")
    return [_derived(key, purpose) for key in master_keys]


def _derived(master_key: str, purpose: str) -> bytes:
    hkdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"polling-api {purpose}".encode())
    return hkdf.derive(master_key.encode())
