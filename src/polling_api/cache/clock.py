"""Redis's clock as this process knows it: the one by which all processes say how old a version is."""

FORGOTTEN_AFTER = 10.0  # seconds: the clocks drift apart by a millisecond in this time, and a set clock is found out


class RedisClock:
    """Tells moments of this process in Redis's time, and never too late: what is told looks older, not fresher.

    No two nodes' clocks are compared, nor is it assumed when Redis carries out what it is sent: a server that was
    frozen for a while does so much later. An answer that tells Redis's time was made before it was heard, so the time
    told, less the moment of hearing, is a bound that errs by the way back alone (F. Cristian, 1989).
    """

    def __init__(self) -> None:
        self._ahead: float | None = None
        self._learnt_at = float("-inf")

    @property
    def known(self) -> bool:
        """Whether Redis has told its time yet."""
        return self._ahead is not None

    def learn(self, told: int, heard_at: float) -> None:
        """Note what Redis said its time was.

        Args:
            told: milliseconds of Redis's clock.
            heard_at: monotonic seconds of this process, after its answer.
        """
        ahead = told - heard_at * 1000
        if self._ahead is None or ahead > self._ahead or heard_at - self._learnt_at > FORGOTTEN_AFTER:
            self._ahead, self._learnt_at = ahead, heard_at

    def at(self, moment: float) -> int:
        """What Redis's clock showed at `moment` (monotonic seconds), in milliseconds, or a little less.

        Raises:
            LookupError: Redis has not told its time yet.
        """
        if self._ahead is None:
            raise LookupError("Redis has not told its time yet.")
        return int(moment * 1000 + self._ahead)
