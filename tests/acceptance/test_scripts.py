"""Contract: a job whose batch follows a script lives through it, whatever the script, and every stream shows it so."""

import asyncio

import httpx
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from running.events import open_events
from running.jobs import submit

LADDER = ["queued", "submitting", "in_progress", "finalizing"]
TERMINAL = ["succeeded", "failed", "expired", "cancelled"]
ITEMS = 5
AT_ONCE = 12  # scripts, so that the time they take is that of the longest


def step_text(status: str, hundredths: int, percent: int, fail: int) -> str:
    return f"{status} {hundredths / 100:.2f}s @{percent}% fail={fail}"


def script_text(steps: list[str], last: str) -> str:
    return ", ".join([*steps, last])


STEPS = st.builds(step_text, st.sampled_from(LADDER), st.integers(5, 60), st.integers(0, 100), st.integers(0, 9))
SCRIPTS = st.builds(script_text, st.lists(STEPS, max_size=4), st.sampled_from(TERMINAL))


async def lived(client: httpx.AsyncClient, script: str) -> None:
    """Follow a job from its submit to its end, and hold what was told against its script."""
    job = await submit(client, script, items=ITEMS)
    async with open_events(client, job["links"]["events"], last_event_id=0) as stream:
        events = [event.job for event in await stream.rest()]

    statuses = list(dict.fromkeys(event["status"] for event in events))
    in_script = {step.split()[0] for step in script.split(", ")}
    assert statuses[:2] == ["queued", "submitting"]
    assert statuses[-1] == script.rpartition(", ")[2], script
    assert set(statuses) <= {*LADDER[:2], "finalizing", *in_script}, script
    assert statuses[:-1] == sorted(statuses[:-1], key=LADDER.index), script
    assert [event["version"] for event in events] == sorted({event["version"] for event in events})
    done = [sum(event["progress"].values()) - ITEMS for event in events]
    assert done[:-1] == sorted(done[:-1]), script
    assert done[-1] == ITEMS, script


@seed(1)
@settings(max_examples=3, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(scripts=st.lists(SCRIPTS, min_size=AT_ONCE, max_size=AT_ONCE))
async def test_a_job_lives_through_its_script_and_every_stream_shows_it(
    client: httpx.AsyncClient, scripts: list[str]
) -> None:
    await asyncio.gather(*(lived(client, script) for script in scripts))
