"""What an attempt leads to, as a function of values."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from polling_api.resilience.backoff import not_before
from polling_api.store.webhook_outcomes import Fate

MOST_RETRY_AFTER = 3600.0  # seconds: nobody has us hold a delivery back for longer than an outage is repaired in


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking a receiver.

    Attributes:
        status_code: of its answer; None where there was none.
        error: why it failed, in a few words that the receiver's owner may read; None where it did not.
        body: the beginning of the answer.
        retry_after: seconds that it asks us to wait; None where it does not.
        hung: whether it took all the time there was.
    """

    status_code: int | None
    error: str | None = None
    body: str | None = None
    retry_after: float | None = None
    hung: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a delivery: `wait` is seconds until the next attempt, `gone` ends all deliveries to the place."""

    fate: Fate
    wait: float = 0.0
    gone: bool = False


def verdict(answer: Answer, tries: int, schedule: Sequence[float], chance: float) -> Verdict:
    """Decide what an answer leads to.

    2xx is success, 410 says that nothing is wanted there any more, and all else is a failure, redirects too. The wait
    is drawn evenly from nothing up to the schedule's ceiling ("full jitter", see `resilience.backoff`).

    Args:
        answer: of this attempt.
        tries: attempts that failed before it.
        schedule: ceilings of the waits after the first, the second, … failure, seconds; after the last the delivery
            is dead.
        chance: a random number, from 0 to less than 1.
    """
    if answer.status_code == HTTPStatus.GONE:
        return Verdict(Fate.DEAD, gone=True)
    if answer.error is None:
        return Verdict(Fate.DELIVERED)
    if tries >= len(schedule):
        return Verdict(Fate.DEAD)
    return Verdict(Fate.RETRIED, not_before(chance * schedule[tries], answer.retry_after, most=MOST_RETRY_AFTER))
