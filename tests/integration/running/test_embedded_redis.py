"""Redis of the default run."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from redis import Redis
from tests.integration.running.commands import gone, until

from polling_api.embedded import EmbeddedError, Server, running_redis, start_redis

HOLDER = """
import sys, time
from pathlib import Path
from polling_api.embedded import start_redis
print(start_redis(Path(sys.argv[1])).pid, flush=True)
time.sleep(600)
"""


def ask(server: Server, *commands: str) -> list[Any]:
    with Redis.from_url(server.url, decode_responses=True) as redis:  # pyright: ignore[reportUnknownMemberType]
        pipeline: Any = redis.pipeline(transaction=False)  # pyright: ignore[reportUnknownMemberType]
        for command in commands:
            pipeline.execute_command(*command.split())
        return pipeline.execute()


def test_it_listens_on_a_socket_in_a_closed_folder_alone_and_keeps_nothing(folder: Path) -> None:
    server = start_redis(folder)
    path = Path(server.url.removeprefix("unix://"))

    options = ask(server, "CONFIG GET port", "CONFIG GET save", "CONFIG GET appendonly", "CONFIG GET maxmemory-policy")
    connections = psutil.Process(server.pid).net_connections("inet")
    mode = path.parent.stat().st_mode & 0o777
    server.stop()

    assert options == [
        {"port": "0"},
        {"save": ""},
        {"appendonly": "no"},
        {"maxmemory-policy": "allkeys-lru"},
    ]
    assert connections == []
    assert mode == 0o700
    assert not path.parent.exists()


def test_it_ends_when_its_process_is_killed(folder: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:  # noqa: S603 - ours
        assert holder.stdout is not None
        server = psutil.Process(int(holder.stdout.readline()))

        holder.kill()

        assert gone([server], 10)


def test_one_that_died_is_started_again_at_the_same_address(folder: Path) -> None:
    server = start_redis(folder)
    os.kill(server.pid, signal.SIGKILL)
    assert until(lambda: not server.alive, 10)

    server.restart()
    answer = ask(server, "PING")
    server.stop()

    assert answer == [True]


def test_it_is_found_by_its_folder_while_it_runs(folder: Path) -> None:
    before = running_redis(folder)
    server = start_redis(folder)
    found = running_redis(folder)
    os.kill(server.pid, signal.SIGKILL)
    assert until(lambda: not server.alive, 10)
    killed = running_redis(folder)
    server.restart()
    again = running_redis(folder)
    server.stop()

    assert (found, again) == (server.url, server.url)
    assert (before, killed, running_redis(folder)) == (None, None, None)


def test_a_folder_that_cannot_be_written_is_told(folder: Path) -> None:
    (folder / "file").touch()

    with pytest.raises(EmbeddedError, match="POLLING_DATA_DIR"):
        start_redis(folder / "file" / "redis")
