"""A child is replaced whenever it dies, also where its replacement cannot be started at once."""

import asyncio
import os
from pathlib import Path

from structlog.testing import capture_logs

from in_process.deadlines import eventually
from polling_api.supervisor.child import Child, Role


async def test_a_child_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    output = tmp_path / "not there yet" / "log"
    child = Child(Role("worker 1", ("--help",), os.environ, output=output))
    with capture_logs() as told:
        keeping = asyncio.create_task(child.keep())
        await eventually(lambda: any(one["event"] == "a child could not be started" for one in told))
        output.parent.mkdir()
        await eventually(output.exists)

    assert not keeping.done()
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    child.kill()
    await child.ended()
