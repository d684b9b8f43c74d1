"""One core for the server that is measured, the others for all else: the load must not take what it measures."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

_OWN, *_OTHERS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]


def give_a_core(*servers: psutil.Process) -> None:
    """Have servers, which are measured one after the other, run on the first core; where there are cores to give."""
    _pin(servers, [_OWN])


def leave_that_core(*others: psutil.Process) -> None:
    """Have other processes, and this one, run on the rest, with all the processes they have started."""
    around = (psutil.Process(), *others)
    _pin((one for process in around for one in (process, *process.children(recursive=True))), _OTHERS or [_OWN])


def _pin(processes: Iterable[psutil.Process], cores: list[int]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess, AttributeError):  # gone meanwhile; a system without such a thing
            process.cpu_affinity(cores)


def cpu_of(process: psutil.Process) -> float:
    """Seconds of CPU time that a process has used; by the scheduler's own count, in which a tick is a nanosecond."""
    try:
        told = [task.read_text().split() for task in Path(f"/proc/{process.pid}/task").glob("*/schedstat")]
    except FileNotFoundError:  # of a thread that has just ended
        told = []
    if told:
        return sum(int(running) for running, *_ in told) / 1e9
    times = process.cpu_times()
    return times.user + times.system
