"""One core for the server that is measured, the others for all else: the load must not take what it measures."""

import os
from collections.abc import Iterable
from contextlib import suppress

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
