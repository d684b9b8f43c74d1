"""A finished job with many large results, and readers of them, fast and slow."""

import asyncio
import random
import string
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import psutil
from sqlalchemy import NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

from polling_api.store.engine import driver_url
from stand.load import get

LINES = "Accept: application/x-ndjson"
ENDED_WITHIN = 300.0  # seconds
BEGUN_WITHIN = 60.0  # seconds for all of many readers
_PIECE = 256 * 1024
_AT_ONCE = 5_000  # rows of a statement


class Download(NamedTuple):
    """A whole download: seconds to its first byte and to its end, bytes on the wire, and the server's CPU seconds."""

    first: float
    seconds: float
    bytes: int
    cpu: float


async def many_results(url: str, database_url: str, items: int, size: int) -> str:
    """A finished job whose results have some bytes of text each, as many as `size`; its path of results."""
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
        options = '{"object":"job.options","metadata":{"simulator":"in_progress 0.05s, succeeded"}}\n'
        lines = options + "".join(
            f'{{"custom_id":"item-{n}","method":"POST","url":"/v1/chat/completions","body":{{"model":"made-up"}}}}\n'
            for n in range(items)
        )
        headers = {"content-type": "application/x-ndjson"}
        job = (await client.post("/api/v1/jobs", content=lines, headers=headers)).raise_for_status().json()
        async with asyncio.timeout(ENDED_WITHIN):
            while not job["terminal"]:
                answer = await client.get(job["links"]["self"], params={"wait": 30, "until": "terminal"})
                job = answer.raise_for_status().json()
    await _enlarge(database_url, job["id"], items, size)
    return job["links"]["results"]


async def download(server: psutil.Process, url: str, path: str, *fields: str) -> Download:
    """Read something to its end, as fast as it comes.

    Args:
        server: whose CPU time is counted.
        url: its address.
        path: of what is read.
        fields: header fields.
    """
    before, began = _used(server), time.perf_counter()
    async with _asked(url, path, *fields) as reader:
        received = len(await reader.readuntil(b"\r\n\r\n"))
        received += len(await reader.read(_PIECE))
        first = time.perf_counter() - began
        while piece := await reader.read(_PIECE):
            received += len(piece)
    return Download(first, time.perf_counter() - began, received, _used(server) - before)


@asynccontextmanager
async def slow_readers(url: str, path: str, count: int, rate: float, *fields: str) -> AsyncGenerator[None]:
    """So many who read as many bytes a second, each, for as long as the block runs; it begins when all have begun."""
    begun = [asyncio.Event() for _ in range(count)]
    readers = [asyncio.create_task(_read_slowly(url, path, rate, fields, one)) for one in begun]
    try:
        async with asyncio.timeout(BEGUN_WITHIN):
            for one in begun:
                await one.wait()
        yield
        ended = [reader.result() for reader in readers if reader.done()]
        if ended:
            raise AssertionError(f"{len(ended)} readers have ended, the first with {ended[0]!r}")
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)


def memory_of(process: psutil.Process) -> int:
    """Bytes that a process has alone."""
    return process.memory_full_info().uss


async def _read_slowly(url: str, path: str, rate: float, fields: Sequence[str], begun: asyncio.Event) -> bytes:
    """Read until cancelled; gives the last bytes where the answer ends before.

    Twenty begin at once: on a busy machine some are told to come again.
    """
    last, told = b"", b"503"
    while told == b"503":
        async with _asked(url, path, *fields, limit=16 * 1024) as reader:
            head = await reader.readuntil(b"\r\n\r\n")
            told = head.split()[1]
            if told == b"200":
                begun.set()
                last = await _to_the_end(reader, rate)
            else:
                last = head
        await asyncio.sleep(1)
    return last


async def _to_the_end(reader: asyncio.StreamReader, rate: float) -> bytes:
    last = b""
    while piece := await reader.read(16 * 1024):
        last = piece[-300:]
        await asyncio.sleep(len(piece) / rate)
    return last


@asynccontextmanager
async def _asked(url: str, path: str, *fields: str, limit: int = _PIECE) -> AsyncGenerator[asyncio.StreamReader]:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=limit)
    writer.write(get(url, path, "Connection: close", *fields))
    try:
        yield reader
    finally:
        writer.transport.abort()


async def _enlarge(database_url: str, job_id: str, items: int, size: int) -> None:
    """Have every result of a job hold a text of its own, made of words as models use them: some often, most hardly."""
    chance = random.Random(4)  # noqa: S311 - the same each time
    words = ["".join(chance.choices(string.ascii_lowercase, k=chance.randint(2, 9))) for _ in range(4000)]
    weights = [1 / rank for rank in range(1, 4001)]
    book = " ".join(chance.choices(words, weights, k=size * 200 // 5)).encode()
    # Of bytes: to find a place in a text Postgres would count a million characters for each row.
    statement = text(
        "UPDATE results SET response = CAST(:before AS text) || convert_from(substr(CAST(:book AS bytea),"
        " 1 + (position * 7919) % (length(CAST(:book AS bytea)) - :size), :size), 'UTF8') || CAST(:after AS text)"
        " WHERE job_id = :job_id AND position >= :first AND position < :first + :most"
    )
    shell = {"before": '{"status_code":200,"body":{"text":"', "after": '"}}'}
    engine = create_async_engine(driver_url(database_url), poolclass=NullPool)
    for first in range(0, items, _AT_ONCE):
        async with engine.begin() as connection:
            which = {"job_id": job_id, "first": first, "most": _AT_ONCE}
            await connection.execute(statement, {"book": book, "size": size, **shell, **which})
    await engine.dispose()


def _used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
