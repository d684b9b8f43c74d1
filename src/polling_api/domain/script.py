"""The course of a simulated batch: `queued 0.2s, in_progress 2s @25%, in_progress 40s @90% fail=3, expired`."""

import re
from dataclasses import dataclass
from itertools import accumulate

from polling_api.domain.job import Status
from polling_api.errors import Invalid

MOST_STEPS = 50  # a course is read at every look
SHORTEST_STEP = 0.05  # seconds; below that the upstream's own latency is longer than the step
LONGEST_STEP = 7 * 24 * 3600.0  # seconds; a longer one is a mistake

_STATUSES = frozenset[str](Status)
_STEP = re.compile(
    r"(?P<status>[a-z_]+)"
    r"(?:\s+(?P<seconds>[0-9]{1,6}(?:\.[0-9]{1,3})?)s)?"
    r"(?:\s+@(?P<percent>[0-9]{1,3})%)?"
    r"(?:\s+fail=(?P<fail>[0-9]{1,6}))?"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: progress and failures jump at its start and stay; the last has no end."""

    status: Status
    seconds: float = 0.0
    percent: int = 0
    fail: int = 0


@dataclass(frozen=True, slots=True)
class Script:
    """A batch's course over time."""

    steps: tuple[Step, ...]

    def at(self, elapsed: float) -> Step:
        """The step a batch is in, `elapsed` seconds after it was created."""
        ends = accumulate(step.seconds for step in self.steps[:-1])
        for step, end in zip(self.steps, ends, strict=False):
            if elapsed < end:
                return step
        return self.steps[-1]


def parse_script(text: str) -> Script:
    """Read a script.

    Args:
        text: steps divided by `,`, each `status [duration "s"] ["@" percent "%"] ["fail=" n]`; at most 50, of at
            least 0.05 s; the last is terminal, and it alone. Percent and failures stay until a step names new ones.

    Raises:
        Invalid: with a sentence that names the step.
    """
    parts = text.split(",")
    if len(parts) > MOST_STEPS:
        raise Invalid(f"A script has at most {MOST_STEPS} steps, not {len(parts)}.")
    steps: list[Step] = []
    for number, part in enumerate(parts, start=1):
        previous = steps[-1] if steps else Step(Status.QUEUED)
        steps.append(_step(part.strip(), number, previous, last=number == len(parts)))
    return Script(tuple(steps))


def _step(text: str, number: int, previous: Step, *, last: bool) -> Step:
    found = _STEP.fullmatch(text)
    if not found:
        raise Invalid(
            f'Step {number} of the script, "{text[:60]}", is not: status [duration "s"] ["@" percent "%"] ["fail=" n].'
        )
    if found["status"] not in _STATUSES:
        raise Invalid(f'Step {number} of the script has no status of ours: "{found["status"][:60]}".')
    step = Step(
        status=Status(found["status"]),
        seconds=float(found["seconds"] or 0),
        percent=previous.percent if found["percent"] is None else int(found["percent"]),
        fail=previous.fail if found["fail"] is None else int(found["fail"]),
    )
    if step.status.terminal != last:
        raise Invalid(f"Step {number} of the script: the last step is terminal, and it alone.")
    if not last and not SHORTEST_STEP <= step.seconds <= LONGEST_STEP:
        raise Invalid(f"Step {number} of the script lasts at least {SHORTEST_STEP} s and at most a week.")
    if step.percent > 100:  # noqa: PLR2004
        raise Invalid(f"Step {number} of the script is at {step.percent} percent.")
    return step
