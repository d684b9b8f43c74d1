"""What of a process had to be started again: counted, and told for a while to whoever asks how it is."""

import time
from collections.abc import Callable, Sequence

from polling_api import metrics

TOLD_FOR = 900.0  # seconds: three looks of an operator's five minutes; the metric tells of it for ever


class Restarts:
    """Remembers which parts failed a short while ago. As many names as there are parts, and no more.

    Args:
        clock: monotonic seconds.
        told_for: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, told_for: float = TOLD_FOR) -> None:
        self._clock = clock
        self._told_for = told_for
        self._last: dict[str, float] = {}

    def note(self, part: str) -> None:
        """A part has failed, and is started again."""
        metrics.RESTARTS.labels(part).inc()
        self._last[part] = self._clock()

    def warnings(self) -> Sequence[str]:
        """What an operator should know: a part that fails again and again does not do its work."""
        now = self._clock()
        return [
            f"{part} failed {now - at:.0f} s ago, and was started again (see the log)"
            for part, at in self._last.items()
            if now - at < self._told_for
        ]
