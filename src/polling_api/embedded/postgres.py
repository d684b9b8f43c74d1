"""Postgres of the default run: the wheel's programs, started with code of ours.

The wheel's own start-up code opens the permissions of every folder above, and makes a system user; this does
neither.
"""

import os
import shutil
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import psutil

from polling_api.embedded import placement
from polling_api.embedded.account import run_as
from polling_api.embedded.errors import EmbeddedError
from polling_api.embedded.folders import FolderLock, is_socket_folder, socket_folder
from polling_api.embedded.placement import Place
from polling_api.embedded.server import Recipe, Server

_VERSION_WITHIN = 10.0  # seconds to tell its version
_INIT_WITHIN = 120.0  # seconds for a new cluster, 1 to 3 on an idle machine
_READY_WITHIN = 120.0  # seconds: after a kill, changes of up to a gigabyte may have to be repeated first
_GREET_WITHIN = 1.0  # seconds to take a connection
_LEFT_OVER_WITHIN = 10.0  # seconds for the server of a killed run to end
# Fast (sessions are cut, memory is written), then immediate (the next start repeats the log; nothing is
# lost). Together less than the 5 s in which Ctrl-C ends everything.
_ENDING = (("SIGINT", 2.0), ("SIGQUIT", 0.4))

_OPTIONS = {
    "listen_addresses": "",  # a Unix socket in a closed folder is the only way in
    "shared_preload_libraries": "pg_stat_statements",
    "log_min_messages": "warning",
    # Statements hold what clients sent, and stay out of the log; so do the rows that an error quotes.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "timezone": "UTC",
}
# For tests alone: what a crash of the machine would lose is thrown away anyway.
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


def start_postgres(folder: Path, *, max_connections: int = 200, durable: bool = True) -> Server:
    """Start Postgres on the data of a folder, making both where they are missing.

    Args:
        folder: what belongs to this server; taken by a lock until it stops.
        max_connections: at once; 200 are enough for three nodes' pools.
        durable: False only for tests: faster, and lost with the machine.

    Returns:
        The server, taking connections. Its `where` says where the data really are.

    Raises:
        FolderInUse: another run has the folder; says what to do.
        EmbeddedError: Postgres does not start; says what to do.
    """
    folder = folder.absolute()
    lock = FolderLock(folder)
    try:
        return Server(_recipe(folder, max_connections, durable=durable), lock=lock)
    except BaseException:
        lock.release()
        raise


def running_postgres(folder: Path) -> str | None:
    """The address of the Postgres that another process runs on a folder; None where none takes connections now."""
    data = placement.made_before(folder.absolute())
    status = _status(data) if data else None
    if status is None or status.state != "ready" or not _takes_connections(status):
        return None
    return _url(Path(status.sockets))


def _takes_connections(status: "_Status") -> bool:
    """Whether somebody listens: what a killed server says of itself stays behind."""
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(_GREET_WITHIN)
            link.connect(f"{status.sockets}/.s.PGSQL.{status.port}")
            return True
    except OSError:
        return False


def _url(sockets: Path) -> str:
    return f"postgresql://postgres@/postgres?host={quote(str(sockets), safe='/')}"


def _recipe(folder: Path, max_connections: int, *, durable: bool) -> Recipe:
    place = placement.place(folder)
    if place.data.exists():
        _check_version(place)
        _end_left_over(place.data)
    else:
        _make_cluster(place, durable=durable)
    sockets = socket_folder(place.account)
    options = _OPTIONS | {"max_connections": str(max_connections), "unix_socket_directories": str(sockets)}
    if not durable:
        options |= _NOT_DURABLE
    settings = (word for name, value in options.items() for word in ("-c", f"{name}={value}"))
    return Recipe(
        name="Postgres",
        url=_url(sockets),
        where=place.data,
        command=(str(place.programs / "bin" / "postgres"), "-D", str(place.data), *settings),
        log=folder / "log",
        scratch=sockets,
        ending=_ENDING,
        ready=lambda pid: _is_ready(place.data, pid),
        ready_within=_READY_WITHIN,
        account=place.account,
    )


def _make_cluster(place: Place, *, durable: bool) -> None:
    """Make it aside, then rename: a cluster whose making was cut short is never run."""
    fresh = place.data.with_name("data.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    if place.account is not None:
        os.chown(fresh, place.account.uid, place.account.gid)
    command = [str(place.programs / "bin" / "initdb"), "-D", str(fresh), "-U", "postgres", "--auth=trust"]
    command += ["--encoding=UTF8", "--locale=C"]
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]  # sorts alike on every machine
    if not durable:
        command += ["--no-sync"]
    made = run_as(place.account, command, timeout=_INIT_WITHIN)
    if made.returncode:
        told = made.stderr.strip()[-2000:]
        raise EmbeddedError(f"Postgres could not make its data folder {place.data}:\n{told}")
    fresh.rename(place.data)


def _check_version(place: Place) -> None:
    made_by = (place.data / "PG_VERSION").read_text().strip()
    asked = run_as(place.account, [str(place.programs / "bin" / "postgres"), "-V"], timeout=_VERSION_WITHIN)
    present = asked.stdout.split()[-1].split(".")[0]
    if made_by != present:
        raise EmbeddedError(
            f"{place.data} was made by Postgres {made_by}, and this is Postgres {present}. Move it away to "
            "start with new data, or carry the old over with that version's pg_dump."
        )


class _Status(NamedTuple):
    """What a running Postgres says of itself in `postmaster.pid`, line by line."""

    pid: str
    data: str
    started: str
    port: str
    sockets: str
    listens: str
    memory: str
    state: str


def _status(data: Path) -> _Status | None:
    """The status of the Postgres of a folder; None where there is none, or it has not told all yet."""
    try:
        return _Status(*(line.strip() for line in (data / "postmaster.pid").read_text().splitlines()))
    except (OSError, TypeError):
        return None


def _is_ready(data: Path, pid: int) -> bool:
    status = _status(data)
    return status is not None and status.pid == str(pid) and status.state == "ready"


def _end_left_over(data: Path) -> None:
    """End what an earlier run that was killed has left, and take away the mark it left behind.

    The lock is ours, so nobody uses that server. It is not taken over, since nothing would end it with this process.
    """
    mark = data / "postmaster.pid"
    if not mark.exists():
        return
    status = _status(data)
    left = _processes_in(data)
    for process in left:
        if status is not None and status.pid == str(process.pid):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGINT)
    for process in psutil.wait_procs(left, _LEFT_OVER_WITHIN)[1]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, _LEFT_OVER_WITHIN)
    # With nobody left the mark is void, and Postgres would refuse to start while the number in it is another
    # program's by now, or that of a dead process which nobody has reaped yet.
    mark.unlink(missing_ok=True)
    if status is not None and is_socket_folder(Path(status.sockets)):
        shutil.rmtree(status.sockets, ignore_errors=True)


def _processes_in(data: Path) -> list[psutil.Process]:
    """The processes of the Postgres of a folder: all of them, and nobody else, work in it."""
    folder = str(data.resolve())
    return [process for process in psutil.process_iter() if _folder_of(process) == folder]


def _folder_of(process: psutil.Process) -> str | None:
    try:
        return process.cwd()
    except psutil.Error:  # gone meanwhile, or another user's, and so not one of ours
        return None
