"""A clock that a test moves."""


class Clock:
    """Says what it is told.

    Args:
        now: in whatever the clock counts.
    """

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
