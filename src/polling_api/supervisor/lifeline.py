"""The child's end of the lifeline: what makes it end when its parent was killed."""

import os
import signal
import threading
import time

_STDIN = 0


def end_with_parent(within: float) -> None:
    """Watch standard input, a pipe that only the parent holds open; drain when it closes.

    Args:
        within: seconds the drain may take; then this process ends as it is.
    """
    threading.Thread(target=_watch, args=(within,), name="lifeline", daemon=True).start()


def _watch(within: float) -> None:
    while os.read(_STDIN, 64):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(within)
    os._exit(1)
