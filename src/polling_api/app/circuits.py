"""The circuit breakers of one process, by name: their states are in the metrics, and told by `/health/ready`."""

from collections.abc import Callable, Mapping
from functools import partial

from polling_api import metrics
from polling_api.resilience.breaker import Breaker, Policy, State
from polling_api.store.availability import Away

POSTGRES = "postgres"

# Driven by what a kind of work gets to hear, where Postgres as a whole is well: one that was made a standby refuses
# every write, one that is out of connections every new one. By failures alone: how long a transaction takes is up to
# what is in it.
KIND_CIRCUIT = Policy(window=10.0, fewest=10, failure_share=0.5, open_first=0.5, open_most=5.0)


def heartbeat_circuit(timeout: float) -> Policy:
    """When Postgres as a whole is left alone, driven by heartbeats alone, each of which may take `timeout` seconds.

    Two in a row that fail open it, or all within the time of two that take half as long: some 3 s after a freeze. From
    then on a beat in a second or two is all that Postgres gets from a process.
    """
    return Policy(
        window=2 * timeout,
        fewest=2,
        failure_share=0.5,
        slow_after=timeout / 2,
        slow_share=1.0,
        open_first=0.5,
        open_most=2,
    )


def provider_circuit(timeout: float) -> Policy:
    """When a provider is left alone whose calls may take `timeout` seconds: what takes half of that is slow."""
    return Policy(window=10.0, fewest=5, slow_after=timeout / 2, slow_share=0.8, open_first=1.0, open_most=30.0)


_FIGURES: Mapping[State, int] = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}


class Circuits:
    """Makes the breakers of a process, and knows how they are."""

    def __init__(self) -> None:
        self._breakers: dict[str, Breaker] = {}

    def breaker(self, name: str, policy: Policy, failures: tuple[type[Exception], ...] = (OSError,)) -> Breaker:
        """Make a breaker.

        Args:
            name: of what it guards, as it is told.
            policy: when it opens, and for how long.
            failures: see `Breaker`.
        """
        figure = metrics.CIRCUITS.labels(name)
        breaker = Breaker(policy, failures=failures, told=partial(_show, figure.set))
        self._breakers[name] = breaker
        return breaker

    def of_database(self, name: str, policy: Policy) -> Breaker:
        """Make a breaker before Postgres, for which an answer that refuses is no failure."""
        return self.breaker(name, policy, (Away,))

    def states(self) -> Mapping[str, str]:
        """How they are now."""
        return {name: breaker.state.value for name, breaker in self._breakers.items()}


def _show(figure: Callable[[float], None], state: State) -> None:
    figure(_FIGURES[state])
