"""How long to wait before the next try.

"Full jitter" (M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015): a wait is drawn evenly
from nothing up to a ceiling that doubles with every failure. What failed together does not come back together.
"""

from math import ceil
from random import random

# 2 ** 30 times any first wait is over every ceiling; a counter that ran for years must not overflow a float.
_MOST_DOUBLINGS = 30


def full_jitter(failures: int, *, first: float, most: float, chance: float) -> float:
    """Draw a wait.

    Args:
        failures: how many tries have failed in a row, at least 1.
        first: ceiling after the first failure, seconds.
        most: highest ceiling, seconds.
        chance: a random number, from 0 to less than 1; passed in, so that this stays a function of values.

    Returns:
        Seconds, from 0 to less than the ceiling.
    """
    doublings = min(max(failures - 1, 0), _MOST_DOUBLINGS)
    return chance * min(first * 2**doublings, most)


def not_before(wait: float, retry_after: float | None, *, most: float) -> float:
    """Lengthen a wait to what the other side asked for (RFC 9110, section 10.2.3), if that is longer.

    Args:
        wait: what we would wait, seconds.
        retry_after: what was asked for, seconds; None where nothing was.
        most: nobody may make us wait longer than this, seconds.
    """
    return max(wait, min(retry_after or 0.0, most))


def spread(seconds: float, chance: float) -> int:
    """Whole seconds for a `Retry-After`: from `seconds`, rounded up, to about twice as many.

    Callers that were refused at one moment do not come back at one moment.

    Args:
        seconds: as long as nothing can be better; at least 1 is told.
        chance: a random number, from 0 to less than 1.
    """
    least = max(1, ceil(seconds))
    return least + int(chance * (least + 1))


def jittered(seconds: float) -> int:
    """What `spread` draws by chance."""
    return spread(seconds, random())  # noqa: S311 - it spreads callers, and guards nothing
