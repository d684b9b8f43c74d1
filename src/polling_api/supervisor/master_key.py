"""The master key of a run with an embedded database: made once, and kept beside it."""

import os
import secrets
from pathlib import Path

NAME = "master.key"
RANDOM_BYTES = 32


def kept_master_key(folder: Path) -> str:
    """The key in `folder`, made by the first run; readable by its owner alone.

    Whoever has it can make cursors, and read secrets that are encrypted with it: it is not for a backup that others
    can read.
    """
    path = folder / NAME
    if not path.exists():
        _make(path)
    return path.read_text().strip()


def _make(path: Path) -> None:
    """Write it whole under another name first: a file that a crash left empty would be taken for a key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{NAME}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(RANDOM_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
