"""A migrated Postgres, made once a run: servers of a test's own start on copies of it, in a tenth of the time."""

import os
import subprocess
from pathlib import Path

from polling_api.embedded import Server, start_postgres
from polling_api.store import migrate

COPIED_WITHIN = 60.0  # seconds for some 40 MB


class Cluster:
    """The data of a server that was stopped in good order, its database migrated and without a row.

    Args:
        folder: for them; one that the account which Postgres runs as can reach.
    """

    def __init__(self, folder: Path) -> None:
        server = start_postgres(folder, durable=False)
        try:
            migrate.upgrade(server.url)
        finally:
            server.stop()
        self._folder = folder.absolute()
        self._data = server.where

    def server(self, folder: Path, *, durable: bool = False) -> Server:
        """Start a server in a new folder, with the data in it."""
        self.copy_to(folder)
        return start_postgres(folder, durable=durable)

    def copy_to(self, folder: Path) -> None:
        """Put the data into a folder that has none, as if a server had run there before.

        Where the data had to be elsewhere, since the folder is closed to Postgres, there is no copy: a server makes
        new ones.
        """
        if not self._data.is_relative_to(self._folder):
            return
        folder.mkdir(parents=True, exist_ok=True)
        # With their owner: where root runs the tests, an account without rights runs Postgres.
        command = ["cp", "-pR", os.fspath(self._data), os.fspath(folder / "data")]
        subprocess.run(command, check=True, timeout=COPIED_WITHIN)  # noqa: S603 - both folders are ours
