"""Starts a program that measures within its own process, with servers of its own beside it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from polling_api.embedded import start_postgres, start_redis
from polling_api.store import migrate
from stand.service import MASTER_KEY, NO_LIMITS

_HERE = Path(__file__).parent


def run_alone(program: str, turns: int, profiled: str) -> None:
    """Run a program of this folder in a process whose figures are shared as those of a worker are.

    Args:
        program: its name.
        turns: how many it is to make.
        profiled: what it is to profile; empty for nothing.
    """
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
                "PYTHONPATH": os.pathsep.join([str(_HERE.parent), os.environ.get("PYTHONPATH", "")]),
                "PROMETHEUS_MULTIPROC_DIR": str(folder / "figures"),
                "TURNS": str(turns),
                "PROFILED": profiled,
            }
            subprocess.run([sys.executable, _HERE / f"{program}.py"], env=environment, check=True)  # noqa: S603 - ours
        finally:
            redis.stop()
            postgres.stop()
