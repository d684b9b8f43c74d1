"""The export itself: ask, write, look at what has come, and ask for the rest until it is whole."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from polling_api.commands.export.errors import Broken, ExportError
from polling_api.commands.export.part import Held, Part, Wanted
from polling_api.commands.export.results import Results
from polling_api.resilience.backoff import full_jitter, not_before

# What a service says as it breaks off that another try does not change.
_FOR_GOOD = frozenset({"results_expired", "job_not_found", "invalid_token", "invalid_signature", "insufficient_scope"})

Answer = TypeVar("Answer")


class Patience(NamedTuple):
    """How often a try that failed is made again. Tries that bring a result do not count.

    `tries` in a row, the first again after up to `first` seconds, later ones after up to `most`, or what the service
    asks for up to `longest`; `sleep` waits.
    """

    tries: int = 10
    first: float = 0.5
    most: float = 30.0
    longest: float = 300.0
    sleep: Callable[[float], None] = time.sleep


PATIENCE = Patience()


class _Tries:
    """Tries that failed in a row."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._failed = 0

    def succeeded(self) -> None:
        """Begin to count anew."""
        self._failed = 0

    def failed(self, broken: Broken) -> None:
        """Wait until another try is worth it.

        Raises:
            ExportError: it is not.
        """
        self._failed += 1
        if self._failed >= self._patience.tries:
            raise ExportError(
                f"Given up after {self._failed} tries: {broken.reason}. What has come is kept; run it again to go on."
            )
        chance = random.random()  # noqa: S311 - it spreads clients, and guards nothing
        wait = full_jitter(self._failed, first=self._patience.first, most=self._patience.most, chance=chance)
        self._patience.sleep(not_before(wait, broken.retry_after, most=self._patience.longest))


def export(results: Results, file: Path, job: str, outcome: str | None, patience: Patience = PATIENCE) -> int:
    """Download all results of a job into a file, going on with what an earlier export left.

    Args:
        results: of the job, at the service.
        file: where the whole will be; until then it is `FILE.part`.
        job: its id.
        outcome: the outcome that `results` are asked for, None for all.
        patience: with tries that fail.

    Returns:
        How many results the file holds.

    Raises:
        WrongFile: there is something else in the file's place.
        ExportError: it cannot be done; what has come is kept.
        OSError: the file cannot be written.
    """
    tries = _Tries(patience)
    wanted = Wanted(job, outcome, _sure(results.tag, tries))
    with Part(file, wanted) as part:
        while part.held.count is None:
            before, failure = part.held.items, Broken("the answer ended early")
            try:
                for piece in results.after(part.held.last):
                    part.write(piece)
            except Broken as broken:
                failure = broken
            part.rewind()
            _go_on(part.held, before, failure, tries)
        _require_whole(part.held, part.held.count if outcome is None else _sure(results.count, tries))
        part.finish()
        return part.held.items


def _sure(ask: Callable[[], Answer], tries: _Tries) -> Answer:
    while True:
        try:
            return ask()
        except Broken as broken:
            tries.failed(broken)


def _go_on(held: Held, before: int, failure: Broken, tries: _Tries) -> None:
    if held.count is not None:
        return
    if held.cut is not None:
        said = f"The service broke the download off ({held.cut.get('code')}): {held.cut.get('message')}"
        if held.cut.get("code") in _FOR_GOOD:
            raise ExportError(f"{said} What has come stays in the `.part` file.")
        failure = Broken(said)
    if held.items > before:
        tries.succeeded()
    tries.failed(failure)


def _require_whole(held: Held, count: int | None) -> None:
    if count is not None and held.items != count:
        raise ExportError(f"The download ended with {held.items} results, and the job has {count}.")
