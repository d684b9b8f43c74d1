import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.running.commands import Command, free_port


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder below open ones, unlike pytest's own: root's Postgres keeps its data in it."""
    made = Path(tempfile.mkdtemp(prefix="polling-tests-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


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
