"""The model finds the mistakes that such a service is easily made with: each is planted, and found."""

import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from model.choices import Scripted, written
from model.explorer import Build, explore
from model.planted import BUGS, Bug
from model.playing import play, quietly
from model.worlds import WORLDS, Make

pytestmark = pytest.mark.timeout(600)  # on a machine that may be busy

DEVIATIONS: Final = 2
MOST: Final = 5_000  # schedules: each is found in far fewer
TESTS: Final = Path(__file__).parents[1]


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found_in_a_schedule_that_the_service_itself_survives(name: str) -> None:
    bug = BUGS[name]
    with quietly():
        found = explore(buggy(bug), DEVIATIONS, most=MOST).found

        assert found is not None
        schedule, broken = found
        assert bug.breaks in str(broken)
        again = play(buggy(bug), Scripted(schedule)).broken
        assert str(again) == str(broken)
        assert play(partial(WORLDS[bug.world], Make()), Scripted(schedule)).broken is None


def test_a_schedule_that_breaks_a_rule_is_told_step_by_step() -> None:
    bug = BUGS["lost resync"]
    with quietly():
        found = explore(buggy(bug), DEVIATIONS, most=MOST).found
    assert found is not None
    schedule, broken = found

    told = subprocess.run(  # noqa: S603 - of this very file
        [sys.executable, "-m", "model", "--replay", written(bug.world, schedule), "--bug", "lost resync"],
        cwd=TESTS,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert told.returncode == 1
    assert "break_link: A" in told.stdout
    assert told.stdout.splitlines()[-1] == f"BROKEN: {broken}"


def buggy(bug: Bug) -> Build:
    return partial(WORLDS[bug.world], replace(Make(), **bug.parts))
