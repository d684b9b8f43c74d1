"""The demo itself."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.live import Live

from polling_api.demo.client import DEMO_CLIENT, kept_client
from polling_api.demo.followers import Follower, LongPoller, Poller, Streamer
from polling_api.demo.screen import newest, show_addresses, show_results, show_signing, view_of
from polling_api.settings import Settings

BATCH = Path("examples") / "films-batch.jsonl"
# In a checkout and in an editable installation; else the folder the process was started in, as in the image.
_PLACES = (Path(__file__).resolve().parents[3], Path.cwd())
ENDS_WITHIN = 600.0  # seconds; with the simulator and a short interval it is about one minute
REFRESH_EVERY = 0.25  # seconds
RESULTS_SHOWN = 8


def run(settings: Settings) -> None:
    """Submit the films batch to the service that `settings` describe, follow it to its end, and show what there is.

    Raises:
        SystemExit: with a sentence, where the service does not answer or refuses the batch.
    """
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104 - compared, not bound
    simulator = settings.upstream_base if settings.simulated else None
    try:
        asyncio.run(_demo(f"http://{host}:{settings.port}", simulator, settings, Console()))
    except httpx.HTTPError as error:
        raise SystemExit(f"The demo ended: {error}") from error
    except TimeoutError as error:
        raise SystemExit(f"The batch has not ended within {ENDS_WITHIN:.0f} s; the service goes on with it.") from error


async def _demo(base: str, simulator: str | None, settings: Settings, console: Console) -> None:
    async with httpx.AsyncClient(base_url=base) as client:
        submitted = await _submit(client)
        path = submitted["links"]["self"]
        console.print(
            f"Submitted [bold]{submitted['progress']['total']}[/] requests about films as {submitted['id']}. "
            f"The monitor looks upstream every {settings.monitor_interval:g} s."
        )
        followers: list[Follower] = [Poller(client, path), LongPoller(client, path), Streamer(client, path)]
        async with asyncio.timeout(ENDS_WITHIN):
            await _follow(followers, submitted, console)
        page = (await client.get(submitted["links"]["results"], params={"limit": RESULTS_SHOWN})).raise_for_status()
        show_results(console, page.json()["data"], submitted["progress"]["total"])
        show_addresses(console, base, simulator, path)
        show_signing(console, base, await _client_of(settings))


async def _client_of(settings: Settings) -> Path | None:
    """The file with the demo's client; None where the service runs elsewhere, with a database that we do not know."""
    if settings.database_url is None or not settings.master_keys:
        return None
    path = settings.data_dir.absolute() / DEMO_CLIENT
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = [key.get_secret_value() for key in settings.master_keys]
    url = settings.database_url.get_secret_value()
    await kept_client(path, url, keys, pooled=settings.database_pooled)
    return path


async def _submit(client: httpx.AsyncClient) -> dict[str, Any]:
    batch = next((place / BATCH for place in _PLACES if (place / BATCH).is_file()), None)
    if batch is None:
        raise SystemExit(f"{BATCH} is not in {' or '.join(map(str, _PLACES))}.")
    response = await client.post(
        "/api/v1/jobs", content=batch.read_bytes(), headers={"content-type": "application/x-ndjson"}
    )
    if response.is_client_error:
        raise SystemExit(f"The service refused the batch: {response.json()['detail']}")
    return response.raise_for_status().json()


async def _follow(followers: list[Follower], submitted: dict[str, Any], console: Console) -> None:
    following = asyncio.gather(*(follower.follow() for follower in followers))
    try:
        with Live(view_of(submitted, followers), console=console, auto_refresh=False) as live:
            told = 0
            while not following.done():
                await asyncio.wait([following], timeout=REFRESH_EVERY)
                job = newest(followers, submitted)
                live.update(view_of(job, followers), refresh=console.is_terminal)
                if not console.is_terminal and job["version"] > told:
                    told = job["version"]
                    console.print(f"version {told}: {job['status']}, {job['progress']['completed']} completed")
    finally:
        following.cancel()  # whoever leaves closes the client: nobody is to ask over it any more
        await asyncio.gather(following, return_exceptions=True)
    console.print()
    await following
