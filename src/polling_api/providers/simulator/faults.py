"""Faults on demand: which call goes wrong next, how, and how often."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MOST_FAULTS = 100  # waiting at once; a test that wants more wants a count
LONGEST_LATENCY = 60.0  # seconds


class FaultKind(StrEnum):
    """How a call goes wrong."""

    LATENCY = "latency"
    RATE_LIMIT = "rate_limit"
    SERVER_ERROR = "server_error"
    DROP = "drop"
    DROP_AFTER = "drop_after"
    GARBAGE = "garbage"
    REGRESS = "regress"
    TRICKLE = "trickle"
    PUSH_LOST = "push_lost"
    PUSH_DOUBLED = "push_doubled"
    PUSH_FORGED = "push_forged"
    PUSH_LATE = "push_late"


OF_PUSHES = frozenset({FaultKind.PUSH_LOST, FaultKind.PUSH_DOUBLED, FaultKind.PUSH_FORGED, FaultKind.PUSH_LATE})


class Fault(BaseModel):
    """One order: the next `count` calls that match, or events, go wrong as `kind` says.

    `path` is a prefix, or with `exact` the whole path; an empty `method` matches all. `value` is the seconds
    of `latency` and `push_late` (default 1), the `Retry-After` of `rate_limit` (default 1; text is sent as it
    is, so a date works), the status of `server_error` (default 500), or the body of `garbage`.
    """

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    method: Annotated[str, Field(max_length=10)] = ""
    path: Annotated[str, Field(max_length=200)] = "/v1/"
    exact: bool = False
    count: Annotated[int, Field(ge=1, le=1000)] = 1
    value: Annotated[float, Field(ge=0, le=10_000)] | Annotated[str, Field(max_length=1000)] | None = None

    def matches(self, method: str, path: str) -> bool:
        """Whether a call is meant."""
        if self.method and self.method.upper() != method:
            return False
        return path == self.path if self.exact else path.startswith(self.path)

    def number(self, default: float) -> float:
        """The value as a number."""
        return self.value if isinstance(self.value, float) else default


class FaultBook:
    """The faults that are still to come, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    @property
    def faults(self) -> Sequence[Fault]:
        """Those to come, each with the count that is left."""
        return tuple(self._faults)

    def add(self, fault: Fault) -> bool:
        """Take an order, unless there are too many."""
        if len(self._faults) >= MOST_FAULTS:
            return False
        self._faults.append(fault)
        return True

    def clear(self) -> None:
        """Forget them all."""
        self._faults.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault of a call that has come; it counts one down."""
        return self._first(lambda fault: fault.kind not in OF_PUSHES and fault.matches(method, path))

    def take_of_push(self) -> Fault | None:
        """The fault of an event that is to be sent; it counts one down."""
        return self._first(lambda fault: fault.kind in OF_PUSHES)

    def _first(self, meant: Callable[[Fault], bool]) -> Fault | None:
        for at, fault in enumerate(self._faults):
            if meant(fault):
                if fault.count > 1:
                    self._faults[at] = fault.model_copy(update={"count": fault.count - 1})
                else:
                    del self._faults[at]
                return fault
        return None
