"""Real processes over a real Redis: by how much a limit is overshot."""

import asyncio
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from in_process import limiting_process

LIMIT = 600
PACE = 400.0  # requests a second of each process
SECONDS = 3.0
SLACK = 0.4  # seconds of arrivals: two rounds and two calls take 0.11 on an idle machine, and this one is shared
STOOD_STILL = 3  # times so much more: while a process stood still it did not tell, nor hear, nor did its calls end


@pytest.mark.parametrize("count", [2, 4])
async def test_a_limit_is_overshot_by_little_more_than_what_arrives_in_two_rounds(redis_url: str, count: int) -> None:
    run = uuid4().hex[:8]
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(limiting_process.__file__)),
            redis_url,
            run,
            f"{run}{number}",
            *map(str, (LIMIT, PACE, SECONDS)),
            stdout=asyncio.subprocess.PIPE,
        )
        for number in range(count)
    ]
    outputs = [(await process.communicate())[0].split() for process in processes]
    allowed, asked = (sum(int(output[place]) for output in outputs) for place in (0, 1))

    still = max(float(output[2]) for output in outputs)
    overshoot = allowed - LIMIT
    print(  # noqa: T201
        f"{count} processes, {count * PACE:.0f} requests/s: {asked} asked, {allowed} allowed of {LIMIT}: "
        f"{overshoot} too many, which arrive in {overshoot / (count * PACE) * 1000:.0f} ms; "
        f"for {still * 1000:.0f} ms one stood still"
    )
    assert allowed >= LIMIT
    assert overshoot <= count * PACE * (SLACK + STOOD_STILL * still)
