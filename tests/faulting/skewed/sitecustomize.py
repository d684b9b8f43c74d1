"""Read by Python at its start where this folder is on its path: the process's clock is an hour ahead."""

import time

_AHEAD = 3600.0  # seconds
_true = time.time


def _skewed() -> float:
    return _true() + _AHEAD


time.time = _skewed
