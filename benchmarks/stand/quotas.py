"""A part of a core for a process, by a control group of Linux: where several are to run as if each had a core."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil

PERIOD = 20_000  # µs, in each of which a process may run for its part
_ROOT = Path("/sys/fs/cgroup")


@contextmanager
def parts_of_a_core(processes: list[psutil.Process], part: float) -> Generator[None]:
    """Let each of some processes have `part` of a core and no more, for as long as the block runs.

    Raises:
        OSError: there are no such groups, or we may not make one.
    """
    made = list[Path]()
    try:
        for process in processes:
            made.append(_make(f"polling-benchmark-{process.pid}", int(part * PERIOD)))
            (made[-1] / "cgroup.procs").write_text(str(process.pid))
        yield
    finally:
        for group in made:
            for process in group.joinpath("cgroup.procs").read_text().split():
                (group.parent / "cgroup.procs").write_text(process)
            group.rmdir()


def _make(name: str, quota: int) -> Path:
    first_version = (_ROOT / "cpu").is_dir()
    group = _ROOT / "cpu" / name if first_version else _ROOT / name
    group.mkdir()
    if first_version:
        (group / "cpu.cfs_period_us").write_text(str(PERIOD))
        (group / "cpu.cfs_quota_us").write_text(str(quota))
    else:
        (group / "cpu.max").write_text(f"{quota} {PERIOD}")
    return group
