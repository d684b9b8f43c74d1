"""Downloads of a large batch: first byte and throughput beside a plain file, and what slow readers cost in memory."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
import typer
import uvloop
from stand.downloads import LINES, Download, download, many_results, memory_of, slow_readers
from stand.service import Stand, free_port, program, running_service, until_ready

CODINGS = ("identity", "gzip", "zstd")
GOAL = 2.0  # MB for a slow reader
SLOW = 100_000.0  # bytes a second
SETTINGS = {
    "monitor_interval": "1",
    "overload_lag": "60",  # seconds: a machine that is busy with other things would have the worker refuse readers
    "anonymous_batch_bytes": str(200 * 1024 * 1024),  # 50,000 lines are some 5 MB
}
_PLAIN_FILE = Path(__file__).with_name("stand") / "plain_file.py"


class Measured(NamedTuple):
    """A download of the plain file, one of the results in each coding, and MB that a slow reader of each costs."""

    plain: Download
    codings: dict[str, Download]
    readers: dict[str, float]


def main(
    items: int = typer.Option(50_000, help="Results of the batch."),
    size: int = typer.Option(4096, help="Bytes of each."),
    readers: int = typer.Option(20, help="Slow readers at once."),
    seconds: float = typer.Option(10.0, help="For which they read."),
) -> None:
    """Download a batch's results as lines, uncompressed and compressed, and the same bytes as a plain file."""
    measured = uvloop.run(_measure(items, size, readers, seconds))
    plain = measured.plain
    content = plain.bytes / 1e6
    typer.echo(f"{content:.0f} MB of results, {items:,} of {size:,} bytes; of the plain file: = 1")
    typer.echo(
        f"{'':14}{'first byte':>12}{'seconds':>10}{'MB/s':>8}{'time':>7}{'CPU':>7}{'on the wire':>13}{'a reader':>11}"
    )
    _tell("plain file", plain, plain, content, "")
    for name, one in measured.codings.items():
        _tell(name, one, plain, content, f"{measured.readers[name]:.2f} MB")
    worst = max(measured.readers.values())
    typer.echo(f"\nMemory grows by {worst:.2f} MB a slow reader at most; the goal is {GOAL:g}.")


def _tell(name: str, one: Download, plain: Download, content: float, reader: str) -> None:
    columns = (
        f"{one.first * 1000:.0f} ms",
        f"{one.seconds:.2f}",
        f"{content / one.seconds:.0f}",
        f"{one.seconds / plain.seconds:.1f}",
        f"{one.cpu / max(plain.cpu, 0.01):.1f}",
        f"{one.bytes / plain.bytes:.2f}",
        reader,
    )
    typer.echo(f"{name:12}{''.join(f'{column:>15}' for column in columns)}")


async def _measure(items: int, size: int, readers: int, seconds: float) -> Measured:
    async with running_service(SETTINGS) as stand:
        path = await many_results(stand.url, stand.database_url, items, size)
        plain = await _plain_file(stand, path)
        await download(stand.worker, stand.url, path, LINES)  # warm
        codings = {
            name: await download(stand.worker, stand.url, path, LINES, f"Accept-Encoding: {name}") for name in CODINGS
        }
        grown = {name: await _grown(stand, path, readers, seconds, f"Accept-Encoding: {name}") for name in CODINGS}
    return Measured(plain, codings, grown)


async def _plain_file(stand: Stand, path: str) -> Download:
    """The same bytes, from a file that was read before."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "results.ndjson"
        async with httpx.AsyncClient(base_url=stand.url, timeout=60, trust_env=False) as client:
            headers = {"accept": "application/x-ndjson", "accept-encoding": "identity"}
            async with client.stream("GET", path, headers=headers) as answer:
                await _write(file, [piece async for piece in answer.aiter_raw()])
        async with program([str(_PLAIN_FILE), str(port), str(file)]) as process:
            url = f"http://127.0.0.1:{port}"
            await until_ready(f"{url}/ready")
            server = psutil.Process(process.pid)
            await download(server, url, "/")
            return await download(server, url, "/")


async def _write(file: Path, pieces: Sequence[bytes]) -> None:
    await asyncio.to_thread(file.write_bytes, b"".join(pieces))


async def _grown(stand: Stand, path: str, readers: int, seconds: float, coding: str) -> float:
    """MB by which each slow reader lets the worker's memory grow, at its most."""
    before = memory_of(stand.worker)
    most = before
    async with slow_readers(stand.url, path, readers, SLOW, LINES, coding):
        for _ in range(int(seconds * 4)):
            await asyncio.sleep(0.25)
            most = max(most, memory_of(stand.worker))
    return (most - before) / readers / 1e6


if __name__ == "__main__":
    typer.run(main)
