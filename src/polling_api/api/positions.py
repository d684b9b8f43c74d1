"""Ids and moments as the numbers of which cursors are made."""

from datetime import UTC, datetime, timedelta

_BEGAN = datetime(1970, 1, 1, tzinfo=UTC)
_HALF = 16  # hexadecimal digits: 64 bits, as much as a number in JSON may have here


def numbers_of(identifier: str) -> tuple[int, int]:
    """The two halves of an id's random part, `job_…` or another."""
    digits = identifier.partition("_")[2]
    return int(digits[:_HALF], 16), int(digits[_HALF:], 16)


def identifier_of(kind: str, first: int, second: int) -> str:
    """The id of a kind, as `job`, that has these halves."""
    return f"{kind}_{first:016x}{second:016x}"


def microseconds(moment: datetime) -> int:
    """A moment as microseconds since 1970, exactly."""
    return (moment - _BEGAN) // timedelta(microseconds=1)


def moment_of(since_1970: int) -> datetime:
    """The moment so many microseconds after 1970 began."""
    return _BEGAN + timedelta(microseconds=since_1970)
