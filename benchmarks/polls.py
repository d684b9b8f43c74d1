"""How many polls one worker answers, as a share of what plain ASGI on the same server does in the same run."""

import typer
import uvloop
from stand.jobs import quiet_job
from stand.load import Load, load
from stand.service import raw_asgi, running_service


def main(seconds: float = typer.Option(4.0, help="For each of the three measurements.")) -> None:
    """Measure plain ASGI, then `304`s and `200`s of one job that does not change."""
    raw, not_modified, whole = uvloop.run(_measure(seconds))
    typer.echo(f"{'':12}{'per second':>12}{'per core':>12}{'µs each':>10}{'of raw':>9}")
    for name, measured in (("raw ASGI", raw), ("304", not_modified), ("200", whole)):
        share = measured.per_core_second / raw.per_core_second
        figures = f"{measured.per_second:12,.0f}{measured.per_core_second:12,.0f}{measured.microseconds:10.1f}"
        typer.echo(f"{name:12}{figures}{share:9.0%}")


async def _measure(seconds: float) -> tuple[Load, Load, Load]:
    async with raw_asgi() as plain:
        raw = await load(plain.process, plain.url, "/", seconds=seconds)
    async with running_service({"monitor_interval": "30"}) as stand:
        job = await quiet_job(stand.url)
        not_modified = await load(stand.worker, stand.url, job.path, f"If-None-Match: {job.etag}", seconds=seconds)
        whole = await load(stand.worker, stand.url, job.path, seconds=seconds)
    return raw, not_modified, whole


if __name__ == "__main__":
    typer.run(main)
