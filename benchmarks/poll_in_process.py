"""What a poll takes from the first byte read to the last one written, beside plain ASGI, without sockets between.

`polls.py` measures the same over sockets, and needs a quiet machine; this one does not.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import typer
from stand.service import MASTER_KEY, NO_LIMITS

from polling_api.embedded import start_postgres, start_redis
from polling_api.store import migrate

_TURNS = Path(__file__).parent / "stand" / "turns.py"


def main(
    turns: int = typer.Option(1500, help="Of 16 polls, of each kind; the least counts."),
    profile: bool = typer.Option(False, help="Say too where the time goes."),  # noqa: FBT001, FBT003 - typer's way
) -> None:
    """Measure, in a process of its own, whose figures are shared as those of a worker are."""
    with tempfile.TemporaryDirectory(prefix="polling-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # Postgres runs as another account where root starts it
        (folder / "figures").mkdir()
        postgres, redis = start_postgres(folder / "postgres", durable=False), start_redis(folder / "redis")
        try:
            migrate.upgrade(postgres.url)
            settings = {
                "DATABASE_URL": postgres.url,
                "REDIS_URL": redis.url,
                "DATA_DIR": str(folder / "data"),
                "MASTER_KEYS": MASTER_KEY,
                "ANONYMOUS_SUBMIT": "true",
                "UPSTREAM_URL": "http://127.0.0.1:9",
                **{name.upper(): value for name, value in NO_LIMITS.items()},
            }
            environment = {
                **os.environ,
                **{f"POLLING_{name}": value for name, value in settings.items()},
                "PYTHONPATH": os.pathsep.join([str(_TURNS.parents[1]), os.environ.get("PYTHONPATH", "")]),
                "PROMETHEUS_MULTIPROC_DIR": str(folder / "figures"),
                "TURNS": str(turns),
                "PROFILED": "yes" if profile else "",
            }
            subprocess.run([sys.executable, _TURNS], env=environment, check=True)  # noqa: S603 - a program of ours
        finally:
            redis.stop()
            postgres.stop()


if __name__ == "__main__":
    typer.run(main)
