"""`polling-api blocks`."""

# ruff: noqa: PLC0415 - whoever asks for another command waits for none of this

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from polling_api.commands.start import fail, read_settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from polling_api.ratelimit import Block, Exchange
    from polling_api.settings import Settings

Answer = TypeVar("Answer")

app = typer.Typer(
    name="blocks", help="Who is shut out for some time; and letting them in before it is over.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="As `blocks list` prints it: `ip:…`, `client:…` or `token:…`.")]


@app.command(name="list")
def list_blocks() -> None:
    """Show every block that holds now."""
    from rich.console import Console
    from rich.table import Table

    now = time.time()
    standing = [block for block in _reach(_all_blocks) if block.ends > now]
    table = Table("who", "until", "seconds left", "for the n-th time")
    for block in sorted(standing, key=lambda one: one.ends):
        until = datetime.fromtimestamp(block.ends, UTC).isoformat(timespec="seconds")
        table.add_row(block.name, until, f"{block.ends - now:.0f}", str(block.strikes))
    Console().print(table)


@app.command()
def lift(name: Name) -> None:
    """Let somebody in again, on every node, and forget what led to it."""
    from polling_api.ratelimit.blocks import lifted
    from polling_api.ratelimit.exchange import Offer

    now = time.time()

    async def work(exchange: "Exchange") -> bool:
        blocked = any(block.name == name and block.ends > now for block in await _all_blocks(exchange))
        if blocked:
            await exchange.swap(Offer((), (lifted(name, now).notice(),), 0, now))
        return blocked

    if not _reach(work):
        fail(f"Nobody called {name} is blocked.", 1)
    typer.echo(f"{name} is let in again; every process knows within a second.")


async def _all_blocks(exchange: "Exchange") -> "list[Block]":
    """What is on the board, which is read in parts."""
    from polling_api.ratelimit import Block
    from polling_api.ratelimit.exchange import Offer

    blocks: dict[str, Block] = {}
    since = 0
    while True:
        reply = await exchange.swap(Offer((), (), since, time.time()))
        if not reply.notices:
            return list(blocks.values())
        for notice in reply.notices:
            with suppress(ValueError):  # it is not only we who may write to Redis
                blocks[notice.name] = Block.of(notice)
        since = reply.since


def _reach(work: "Callable[[Exchange], Awaitable[Answer]]") -> Answer:
    """Do some work on what the processes share; what keeps it from being done ends the command with a sentence."""
    settings = read_settings()
    url = _address_of_redis(settings)
    try:
        return asyncio.run(_working(settings, url, work))
    except ConnectionError as error:
        fail(f"Redis does not answer: {error}", 1)


def _address_of_redis(settings: "Settings") -> str:
    """That of the settings, or of the embedded one that a service runs on the data folder."""
    from polling_api.embedded import running_redis

    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
    folder = settings.data_dir.absolute()
    url = running_redis(folder / "redis")
    if url is None:
        fail(
            f"No Redis runs on the data folder {folder}, and blocks are nowhere else: they end with it. Run this "
            "beside the service, in its folder or with its POLLING_DATA_DIR; or set POLLING_REDIS_URL to its own.",
            1,
        )
    return url


async def _working(settings: "Settings", url: str, work: "Callable[[Exchange], Awaitable[Answer]]") -> Answer:
    from polling_api.ratelimit import RedisExchange

    exchange = RedisExchange(url, timeout=settings.redis_timeout)
    try:
        return await work(exchange)
    finally:
        await exchange.close()
