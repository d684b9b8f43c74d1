"""How long to wait before the next try.

"Full jitter" (M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015): a wait is drawn evenly
from nothing up to a ceiling that doubles with every failure. What failed together does not come back together.
"""

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
