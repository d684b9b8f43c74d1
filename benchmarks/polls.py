"""How many polls one worker answers, as a share of what plain ASGI on the same server does in the same run."""

from pathlib import Path

import httpx
import psutil
import typer
import uvloop
from stand.load import Load, load
from stand.service import free_port, program, running_service, until_ready

RAW = Path(__file__).with_name("stand") / "raw_asgi.py"


def main(seconds: float = typer.Option(4.0, help="For each of the three measurements.")) -> None:
    """Measure plain ASGI, then `304`s and `200`s of one job that does not change."""
    raw, not_modified, whole = uvloop.run(_measure(seconds))
    typer.echo(f"{'':12}{'per second':>12}{'per core':>12}{'µs each':>10}{'of raw':>9}")
    for name, measured in (("raw ASGI", raw), ("304", not_modified), ("200", whole)):
        share = measured.per_core_second / raw.per_core_second
        figures = f"{measured.per_second:12,.0f}{measured.per_core_second:12,.0f}{measured.microseconds:10.1f}"
        typer.echo(f"{name:12}{figures}{share:9.0%}")


async def _measure(seconds: float) -> tuple[Load, Load, Load]:
    port = free_port()
    async with program([str(RAW), str(port)]) as process:
        address = f"http://127.0.0.1:{port}"
        await until_ready(f"{address}/ready")
        raw = await load(psutil.Process(process.pid), address, "/", seconds=seconds)
    async with running_service({"monitor_interval": "30"}) as stand:
        path, etag = await _quiet_job(stand.url)
        not_modified = await load(stand.worker, stand.url, path, f"If-None-Match: {etag}", seconds=seconds)
        whole = await load(stand.worker, stand.url, path, seconds=seconds)
    return raw, not_modified, whole


async def _quiet_job(url: str) -> tuple[str, str]:
    """A job that stays as it is: its path, and the entity tag of the state it stays in."""
    body = {
        "requests": [{"custom_id": "one", "body": {"model": "made-up"}}],
        "metadata": {"simulator": "in_progress 600s @50%, succeeded"},
    }
    async with httpx.AsyncClient(base_url=url, timeout=40, trust_env=False) as client:
        path = (await client.post("/api/v1/jobs", json=body)).raise_for_status().json()["links"]["self"]
        answer = await client.get(path)
        while answer.json()["status"] != "in_progress":
            waiting = {"If-None-Match": answer.headers["etag"], "Prefer": "wait=30"}
            answer = (await client.get(path, headers=waiting)).raise_for_status()
        return path, answer.headers["etag"]


if __name__ == "__main__":
    typer.run(main)
