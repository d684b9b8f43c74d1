"""A real PgBouncer before a Postgres, in transaction mode."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url

from polling_api.embedded import Server

WITHIN = 10.0  # seconds until it listens
SERVERS = 2  # connections to Postgres: fewer than ask, so that statements of one caller come over several of them

_FOUND = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")

needs_pgbouncer = pytest.mark.skipif(_FOUND is None, reason="there is no `pgbouncer` (Debian package pgbouncer)")


@contextmanager
def pgbouncer(server: Server, folder: Path) -> Generator[int]:
    """Lend the port of one that leads to all databases of a server, for as long as the block runs."""
    assert _FOUND is not None
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sockets = Path(str(make_url(server.url).query["host"]))
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        f"""
        [databases]
        * = host={sockets} user=postgres
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        unix_socket_dir =
        auth_type = any
        pool_mode = transaction
        default_pool_size = {SERVERS}
        max_client_conn = 500
        """.replace("\n        ", "\n"),
        encoding="utf-8",
    )
    # Not as root: as whoever Postgres runs as, who alone may go to its socket.
    account = ["-u", pwd.getpwuid(sockets.stat().st_uid).pw_name] if os.geteuid() == 0 else []
    with (folder / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - found on PATH
            [_FOUND, *account, str(configuration)], stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    try:
        _await_listening(port, process, folder / "pgbouncer.log")
        yield port
    finally:
        process.terminate()
        process.wait(WITHIN)


def _await_listening(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    sys.exit(f"PgBouncer does not listen:\n{log.read_text()}")
