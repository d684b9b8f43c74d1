"""Folders that are ours alone: locked against a second run, and short enough for a socket."""

import errno
import fcntl
import os
import tempfile
from pathlib import Path

from polling_api.embedded.account import Account
from polling_api.embedded.errors import EmbeddedError, FolderInUse

# A Unix socket's path has 107 bytes at most (103 on macOS), less than many a project's folder has.
_SHORT_PLACE = Path("/tmp")  # noqa: S108 - the folder below it is made by mkdtemp: new, ours and 0700
_PREFIX = "polling-"
_OURS_ALONE = 0o700
_SHORT = 60  # characters, which leaves room for our folder and the socket's name


def make(folder: Path) -> None:
    """Make a folder and those above it, where they are missing.

    Raises:
        EmbeddedError: that cannot be done here; says what to do.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(folder, error) from error


class FolderLock:
    """A folder taken for this process; given back by `release`, or by the process's end, whatever that is.

    Raises:
        FolderInUse: another process has it; says what to do.
        EmbeddedError: the folder cannot be written; says what to do.
    """

    def __init__(self, folder: Path) -> None:
        make(folder)
        try:
            descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise _not_writable(folder, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            raise _not_locked(folder, holder, error) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Give the folder back; may be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _not_writable(folder: Path, error: OSError) -> EmbeddedError:
    return EmbeddedError(
        f"The data folder {folder} cannot be written ({error.strerror}). Set POLLING_DATA_DIR to one that can be."
    )


def _not_locked(folder: Path, holder: str, error: OSError) -> EmbeddedError:
    if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
        return EmbeddedError(f"The data folder {folder} cannot be locked: {error.strerror}.")
    return FolderInUse(
        f"Process {holder or '(unknown)'} already runs on the data folder {folder}. Stop it, or set "
        "POLLING_DATA_DIR to another folder (and POLLING_PORT and POLLING_SIMULATOR_PORT to free ports)."
    )


def socket_folder(account: Account | None = None) -> Path:
    """Make a new folder of mode 0700 for a server's socket, with a path that is short enough.

    It is in XDG_RUNTIME_DIR where that is ours alone, else in /tmp. `mkdtemp` makes it under a name that
    nobody could know before, so no other user can put a link or a socket of theirs in its place.
    """
    place = _SHORT_PLACE
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if account is None and 0 < len(runtime) <= _SHORT and _is_ours_alone(Path(runtime)):
        place = Path(runtime)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    return folder


def is_socket_folder(folder: Path) -> bool:
    """Whether a folder's name is one that `socket_folder` gives."""
    return folder.name.startswith(_PREFIX)


def _is_ours_alone(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return not folder.is_symlink() and found.st_uid == os.geteuid() and found.st_mode & 0o777 == _OURS_ALONE
