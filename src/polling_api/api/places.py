"""Where a reader of a client's stream stands, as the numbers of a cursor. Pure.

`[1, since, beyond, form, …]`, each list with its length before it. A horizon's open transactions are told by how far
they are below its end, which is little. So a cursor has some 80 characters; some 60 more for each job beyond its
horizon, at most 32 of them; and some 8 for each transaction that was open, at most as many as there are connections.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

from polling_api.api.positions import identifier_of, microseconds, moment_of, numbers_of
from polling_api.domain.places import Horizon, Place, Position, Visited

_LAYOUT = 1  # another number, for another layout, is a cursor to be ignored
_LIVE, _REPLAY, _VISIT = range(3)


def numbers_of_place(place: Place) -> list[int]:
    """A place as numbers. Of a first visit only places where a job has been told have any."""
    numbers = [_LAYOUT, *_of_horizon(place.since), len(place.beyond)]
    for job_id, version in place.beyond.items():
        numbers += [*numbers_of(job_id), version]
    if place.until is not None and place.after is not None:
        xid, job_id, version = place.after
        return [*numbers, _REPLAY, *_of_horizon(place.until), xid, *numbers_of(job_id), version]
    if place.visited is not None:
        return [*numbers, _VISIT, microseconds(place.visited.created_at), *numbers_of(place.visited.job_id)]
    return [*numbers, _LIVE]


def place_of_numbers(numbers: Sequence[int] | None) -> Place | None:
    """The place that stands in a cursor of ours; None where there is none, or it is of another release."""
    rest = iter(numbers or ())
    if next(rest, None) != _LAYOUT:
        return None
    since = _horizon(rest)
    beyond = {_job_id(rest): next(rest) for _ in range(next(rest))}
    form = next(rest)
    if form == _REPLAY:
        return Place(since, beyond, until=_horizon(rest), after=Position(next(rest), _job_id(rest), next(rest)))
    if form == _VISIT:
        return Place(since, visiting=True, visited=Visited(moment_of(next(rest)), _job_id(rest)))
    return Place(since, beyond)


def _of_horizon(horizon: Horizon) -> list[int]:
    return [horizon.following, len(horizon.open), *(horizon.following - xid for xid in horizon.open)]


def _horizon(numbers: Iterator[int]) -> Horizon:
    following, count = next(numbers), next(numbers)
    return Horizon(following, tuple(following - below for below in islice(numbers, count)))


def _job_id(numbers: Iterator[int]) -> str:
    return identifier_of("job", next(numbers), next(numbers))
