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
from stand.figures import Kept, Line, Quick, tell
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
    *,
    quick: Quick = False,
    json: Kept = None,
) -> None:
    """Download a batch's results as lines, uncompressed and compressed, and the same bytes as a plain file."""
    items = 5_000 if quick else items
    measured = uvloop.run(_measure(items, size, readers, seconds))
    what = f"{items:,} results of {size:,} bytes"
    tell([line for coding in CODINGS for line in _lines(f"{what}, {coding}", measured, coding)], json)


def _lines(what: str, measured: Measured, coding: str) -> list[Line]:
    """What a download in a coding took, beside the plain file, which holds what it holds uncompressed."""
    one, plain = measured.codings[coding], measured.plain
    file, content = "plain file", plain.bytes / 1e6
    rate = ([content / one.seconds], [content / plain.seconds])
    return [
        Line(what=f"{what}: first byte", ours=[one.first * 1e3], unit="ms", anchor=file, beside=[plain.first * 1e3]),
        Line(what=f"{what}: content read", ours=rate[0], unit="MB/s", anchor=file, beside=rate[1], least=True),
        Line(what=f"{what}: CPU of the worker", ours=[one.cpu], unit="s", anchor=file, beside=[plain.cpu]),
        Line(what=f"{what}: on the wire", ours=[one.bytes / 1e6], unit="MB", anchor=file, beside=[content]),
        Line(what=f"{what}: memory of a slow reader", ours=[measured.readers[coding]], unit="MB", must=GOAL),
    ]


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
