"""What came of all faults, as a table for people."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from faulting.verdict import Outcome

BEGIN, END = "<!-- make faults: begin -->", "<!-- make faults: end -->"

_COLUMNS = (
    "fault",
    *("back", "missed", "undelivered", "doubled", "lost"),
    *("stale", "news", "errors", "marked", "p99", "lag", "recovered"),
)


def table(outcomes: Mapping[str, Outcome]) -> str:
    """A line for each fault, in the order in which they were done."""
    head, rule = f"| {' | '.join(_COLUMNS)} |", f"| --- |{' --: |' * (len(_COLUMNS) - 1)}"
    return "\n".join([head, rule, *(_line(name, outcome) for name, outcome in outcomes.items())])


def write_between_marks(path: Path, outcomes: Mapping[str, Outcome], seconds: float) -> None:
    """Put the table, and how it was made, between the two marks in a document.

    Raises:
        ValueError: the document has no such marks.
    """
    before, _, rest = path.read_text().partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{path} lacks {BEGIN} and {END}")
    made = (
        f"Made by `make faults` on {datetime.now(UTC):%Y-%m-%d}, each fault for {seconds:g} s; {os.cpu_count()} cores, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, load {os.getloadavg()[2]:.0f} "
        "in the last quarter of an hour."
    )
    path.write_text(f"{before}{BEGIN}\n{made}\n\n{table(outcomes)}\n{END}{after}")


def _line(name: str, outcome: Outcome) -> str:
    figures = (
        *(f"{count}" for count in (outcome.went_back, outcome.missed, outcome.undelivered)),
        f"{outcome.doubled}",
        f"{outcome.lost}",
        f"{outcome.stale:.1f} s",
        f"{outcome.news:.1f} s",
        f"{outcome.errors:.1%}",
        f"{outcome.marked:.0%}",
        f"{outcome.p99 * 1000:.0f} ms",
        f"{outcome.lag * 1000:.3g} ms",
        f"{outcome.recovered:.1f} s",
    )
    return f"| {name} | {' | '.join(figures)} |"
