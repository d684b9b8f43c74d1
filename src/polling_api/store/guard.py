"""Circuit breakers before Postgres: one for all that a process does there, and one for each kind of work."""

from collections.abc import Generator
from contextlib import contextmanager

from polling_api.errors import Unavailable
from polling_api.resilience.backoff import jittered
from polling_api.resilience.breaker import Breaker, CircuitOpen, State


class Guard:
    """Refuses one kind of work at once, while nothing can come of it.

    Args:
        whole: whether Postgres answers at all. A heartbeat drives it, which is its probe too: no request is tried out
            on a database that may hang.
        kind: whether this kind of work gets done; what came of it is recorded here.
    """

    def __init__(self, whole: Breaker, kind: Breaker) -> None:
        self._whole = whole
        self._kind = kind

    @contextmanager
    def attempt(self) -> Generator[None]:
        """Do some work in the body.

        Raises:
            Unavailable: the body is not run.
        """
        self.require_closed()
        try:
            with self._kind.attempt():
                yield
        except CircuitOpen as refused:
            raise _left_alone(refused.retry_after) from None

    def require_closed(self) -> None:
        """Let work go on that Postgres would answer.

        Raises:
            Unavailable: it would not.
        """
        if self._whole.state is not State.CLOSED:
            raise _left_alone(1)


def _left_alone(seconds: float) -> Unavailable:
    return Unavailable("The database does not answer, and is left alone for a moment.", retry_after=jittered(seconds))
