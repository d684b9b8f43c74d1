"""Whom a server runs as, where that is not the account of this process."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polling_api.embedded.errors import EmbeddedError

_TRY_SECONDS = 10.0  # for a shell that only looks at a folder
_WITHOUT_RIGHTS = ("postgres", "nobody")  # one of them is on every machine, so none has to be made


@dataclass(frozen=True, slots=True)
class Account:
    """A system account."""

    uid: int
    gid: int
    name: str


def without_rights() -> Account:
    """An account that root can hand a server to.

    Raises:
        EmbeddedError: the machine knows none.
    """
    for name in _WITHOUT_RIGHTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid, name)
    raise EmbeddedError("Postgres does not run as root, and there is no account `nobody`. Run as an ordinary user.")


def owner_of(folder: Path) -> Account:
    """The account that a folder belongs to."""
    found = folder.stat()
    try:
        name = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        name = str(found.st_uid)
    return Account(found.st_uid, found.st_gid, name)


def run_as(account: Account | None, command: Sequence[str], *, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run a program to its end as the account, without groups of ours, its output kept.

    Args:
        account: whose rights it gets; None for this process's own.
        command: the program and its arguments.
        timeout: seconds; then it is killed and `subprocess.TimeoutExpired` raised.
    """
    return subprocess.run(  # noqa: S603 - fixed programs, whose arguments are no shell's to read
        command,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def can(account: Account, test: str, folder: Path) -> bool:
    """Whether a shell's test about the folder `$1` holds for the account.

    The kernel is asked: modes alone would miss access lists and mounts.
    """
    asked = run_as(account, ["/bin/sh", "-c", test, "sh", str(folder)], timeout=_TRY_SECONDS)
    return asked.returncode == 0


def is_root() -> bool:
    """Whether this process has root's rights."""
    return os.geteuid() == 0
