"""How long a caller is willing to wait: `Prefer: wait=N` (RFC 7240) or `?wait=N`, and for what."""

import re
from collections.abc import Callable
from enum import StrEnum

from polling_api.domain.job import Job
from polling_api.errors import FieldError, Invalid

_WAIT = re.compile(r'wait\s*=\s*"?([0-9]{1,1000})"?\s*(?:;.*)?', re.IGNORECASE)
# A preference ends at a comma that stands in no quoted string.
_PREFERENCE = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
# Longer is no preference anybody has, and an unclosed quotation would be searched again from each of its marks.
LONGEST_PREFERENCE = 1000  # characters
_SECONDS = re.compile(r"[0-9]{1,1000}")


class Until(StrEnum):
    """What ends a wait."""

    CHANGE = "change"
    STATUS = "status"
    TERMINAL = "terminal"

    def reached(self, seen: int) -> Callable[[Job], bool]:
        """The test that ends the wait of a caller who has seen version `seen`; a terminal job always ends it."""
        if self is Until.CHANGE:
            return lambda job: job.version > seen or job.terminal
        if self is Until.STATUS:
            return lambda job: job.status_version > seen or job.terminal
        return lambda job: job.terminal


def preferred_wait(prefer: str) -> int | None:
    """The seconds in a `Prefer` header, None where it asks for no wait or is bad; the first of several counts."""
    if len(prefer) > LONGEST_PREFERENCE:
        return None
    for preference in _PREFERENCE.findall(prefer):
        found = _WAIT.fullmatch(preference.strip())
        if found:
            return int(found[1])
    return None


def queried_wait(values: list[str]) -> int | None:
    """The seconds in `?wait=`.

    Raises:
        Invalid: it is no whole number, or stands twice.
    """
    if not values:
        return None
    if len(values) > 1 or not _SECONDS.fullmatch(values[0]):
        raise Invalid(
            "`wait` is a whole number of seconds, given once.",
            errors=[FieldError("?wait", "not a whole number of seconds")],
        )
    return int(values[0])


def queried_until(values: list[str]) -> Until:
    """What `?until=` names; `change` where it is not given.

    Raises:
        Invalid: it is none of the three.
    """
    if not values:
        return Until.CHANGE
    try:
        (value,) = values
        return Until(value)
    except ValueError:
        names = ", ".join(Until)
        raise Invalid(
            f"`until` is one of {names}, given once.", errors=[FieldError("?until", f"not one of {names}")]
        ) from None
