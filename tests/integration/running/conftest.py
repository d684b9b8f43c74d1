import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.running.commands import Command, free_port

from polling_api.embedded import Server, start_redis
from running.cluster import Cluster
from running.command_line import Ran, run_here


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder below open ones, unlike pytest's own: root's Postgres keeps its data in it."""
    made = Path(tempfile.mkdtemp(prefix="polling-tests-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def used_before(cluster: Cluster, folder: Path) -> None:
    """As if `polling-api` had run in the folder before: a Postgres is there, and its schema is up to date.

    It writes nothing through to the disk, which takes its time at every start and end: the machine lives on.
    """
    postgres = folder / ".polling-api" / "postgres"
    cluster.copy_to(postgres)
    if (postgres / "data").exists():
        with (postgres / "data" / "postgresql.auto.conf").open("a") as settings:
            settings.write("fsync = off\n")


@pytest.fixture
def made_before(cluster: Cluster, folder: Path) -> None:
    """As if Postgres had run on the folder itself before."""
    cluster.copy_to(folder)


@pytest.fixture
def ran(folder: Path) -> Callable[..., Ran]:
    """Runs commands in this process, with their data in the folder."""

    def run(*arguments: str, **settings: str) -> Ran:
        return run_here(*arguments, **({"data_dir": str(folder / ".polling-api")} | settings))

    return run


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Command]]:
    """Starts `polling-api` commands in the folder, on free ports; what is left of them is ended with the test."""
    started: list[Command] = []

    def start_command(*arguments: str, **settings: str) -> Command:
        ports = {"port": free_port(), "simulator_port": free_port()}
        started.append(Command(arguments, folder, ports | settings))
        return started[-1]

    yield start_command
    for command in started:
        command.clean_up()


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Redis of the module's own, without a password."""
    server = start_redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()
