"""schemathesis asks the live service all that its OpenAPI document allows and forbids, over HTTP.

The examples of the document first, then every border of every parameter and body, then what chance makes, then
sequences of calls along the document's links: submitted, read, cancelled, deleted, and asked for again.
"""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from typing import Final

import pytest

from running.service import Service

SECONDS: Final = int(os.environ.get("FUZZ_SECONDS", "20"))
SEED: Final = os.environ.get("FUZZ_SEED", "1")  # the same questions every time, unless another is asked for
HERE: Final = Path(__file__).parent
TO_END: Final = 60.0  # seconds beyond its own time, for starting, and for the call that is under way


@pytest.fixture(scope="module")
def further_settings() -> dict[str, str]:
    """Whoever asks at random asks for long waits, too."""
    return {"max_wait": "1"}


# Each with a time of its own: what comes first would leave none for the sequences on a slow machine.
@pytest.mark.parametrize(("phases", "seconds"), [("examples,coverage,fuzzing", SECONDS), ("stateful", SECONDS)])
@pytest.mark.timeout(SECONDS + 2 * TO_END)
async def test_the_service_answers_as_its_document_says(
    service: Service, tmp_path: Path, phases: str, seconds: int
) -> None:
    location = f"{service.url}/openapi.json"
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py")}

    fuzzing = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")),
        *("run", location, "--phases", phases, "--max-time", str(seconds), "--seed", SEED),
        env=environment,
        cwd=tmp_path,
        stdout=PIPE,
        stderr=STDOUT,
    )
    async with asyncio.timeout(seconds + TO_END):
        report, _ = await fuzzing.communicate()

    assert fuzzing.returncode == 0, report.decode()
    assert "No issues found" in report.decode()
