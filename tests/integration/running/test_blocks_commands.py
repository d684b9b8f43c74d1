"""The commands for blocks, as an operator runs them beside the default run."""

from collections.abc import Callable

import httpx
from tests.integration.running.commands import Command, until

from polling_api.domain.job import new_job_id

Start = Callable[..., Command]

WRONGS = 3
HERE = "ip:127.0.0.1"
WITHIN = 10.0  # seconds; every process knows within one


def guess(url: str) -> str:
    """Ask for a job that is not there; the code of the answer."""
    return httpx.get(f"{url}/api/v1/jobs/{new_job_id()}", trust_env=False).json()["code"]


def told_by(command: Command) -> str:
    assert command.ended() == 0, command.told()
    return command.told()


def test_beside_a_running_service_its_blocks_are_found_listed_and_lifted(start: Start) -> None:
    serving = start("serve", "--no-monitor", block_after=str(WRONGS), block_seconds="600").until_ready()
    guesses = [guess(serving.url) for _ in range(WRONGS + 1)]

    assert until(lambda: HERE in told_by(start("blocks", "list")), WITHIN)
    told_by(start("blocks", "lift", HERE))
    let_in = until(lambda: guess(serving.url) == "job_not_found", WITHIN)
    listed = told_by(start("blocks", "list"))

    assert guesses == ["job_not_found"] * WRONGS + ["blocked"]
    assert let_in
    assert HERE not in listed


def test_without_a_running_service_it_is_said_that_there_are_none(start: Start) -> None:
    command = start("blocks", "list")

    assert command.ended() == 1
    assert "POLLING_DATA_DIR" in command.told()
    assert "Traceback" not in command.told()
