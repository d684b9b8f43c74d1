"""A command's way to the database: the outer one, the embedded one of a run beside it, or one started for it."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from polling_api.embedded import FolderInUse, Server, running_postgres, start_postgres
from polling_api.settings import Settings
from polling_api.supervisor.errors import StartError
from polling_api.supervisor.master_key import NAME, kept_master_key
from polling_api.supervisor.standing import bring_up_to_date, check_master_keys

_FOUND_WITHIN = 20.0  # seconds: a run that begins takes a few until its Postgres answers, one that ends until it has
_KEY_WITHIN = 5.0  # seconds from there until a run that begins has made its master key
_LOOK_EVERY = 0.1  # seconds


@dataclass(frozen=True, slots=True)
class Database:
    """Where the database is, and the master keys that go with it."""

    url: str
    master_keys: tuple[str, ...] = field(repr=False)


@contextmanager
def database(settings: Settings, *, sealed: bool = True) -> Generator[Database]:
    """Lend the database; an embedded Postgres that was started for this is stopped at the end, no other is.

    The schema of an embedded one is brought up to date; that of an outer one is its operator's.

    Args:
        settings: where it is.
        sealed: whether secrets are opened or sealed there, so that there have to be master keys.

    Raises:
        EmbeddedError: there is no embedded Postgres to be had; says what to do.
        StartError: there is no master key, or the database cannot be brought up to date; says what to do.
    """
    if sealed:
        check_master_keys(settings)
    master_keys = tuple(key.get_secret_value() for key in settings.master_keys)
    if settings.database_url:
        yield Database(settings.database_url.get_secret_value(), master_keys)
        return
    folder = settings.data_dir.absolute()
    found = _found_or_started(folder / "postgres")
    try:
        url = found if isinstance(found, str) else found.url
        bring_up_to_date(url)
        yield Database(url, master_keys or (_master_key(folder, ours=not isinstance(found, str)),))
    finally:
        if not isinstance(found, str):
            found.stop()


def _found_or_started(folder: Path) -> Server | str:
    """The address of a Postgres that another process runs on the folder; or a server of our own, if none does."""
    deadline = time.monotonic() + _FOUND_WITHIN
    while True:
        try:
            return start_postgres(folder)
        except FolderInUse:
            if url := running_postgres(folder):
                return url
            if time.monotonic() > deadline:
                raise
        time.sleep(_LOOK_EVERY)


def _master_key(folder: Path, *, ours: bool) -> str:
    """The master key kept in the folder. Who holds the database makes it, and nobody else: there is but one."""
    deadline = time.monotonic() + _KEY_WITHIN
    while not (ours or (folder / NAME).exists()):
        if time.monotonic() > deadline:
            raise StartError(f"The service that runs on {folder} was given POLLING_MASTER_KEYS. Set the same here.")
        time.sleep(_LOOK_EVERY)
    return kept_master_key(folder)
