"""The figures by which the watch is held to its promises."""

from dataclasses import dataclass

from polling_api.resilience.coalesce import ANSWER_WITHIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The watch's figures, in seconds but for `snapshots`.

    `compare_every` bounds how long a lost notice goes unnoticed, `compare_when_deaf` the same while no notices are
    heard at all; an answer older than `oldest_answer` is not given, unless the primary does not answer: then one of up
    to `oldest_kept` is, and is marked. Where the job has ended it is one of up to `oldest_end`: an end cannot change,
    so that age puts in doubt only whether the job is there still, and a client's own cache may show it for a day anyway
    (`max-age`). Snapshots nobody asked for during `idle` are dropped, and so are the longest unused ones where there
    would be more than `snapshots`. Nobody waits longer than `answer_within` for the primary.
    """

    compare_every: float = 3.0
    compare_when_deaf: float = 1.0
    oldest_answer: float = 4.0
    oldest_kept: float = 300.0
    oldest_end: float = 86_400.0
    idle: float = 90.0
    snapshots: int = 20_000
    answer_within: float = ANSWER_WITHIN
