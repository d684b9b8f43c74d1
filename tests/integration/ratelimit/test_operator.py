"""The operator sees who is blocked, and lifts it."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from in_process.carriers import RedisCarrier
from in_process.limiting import Node
from polling_api.__main__ import app
from polling_api.ratelimit import Figures, RedisExchange, nobody

SCANNER = nobody("192.0.2.1", Figures())

Command = Callable[..., Result]


@pytest.fixture
async def node(redis: RedisCarrier) -> Node:
    """A process that has blocked a scanner."""
    node = Node(RedisExchange(redis.server.url, "node", timeout=5), "node", time.time())
    for number in range(20):
        node.suspects.missed(SCANNER, [f"job_{number}"], node.clock.now)
    await node.round()
    return node


@pytest.fixture
def command(redis: RedisCarrier) -> Command:
    def run(*words: str) -> Result:
        return CliRunner().invoke(
            app, ["blocks", *words], env={"POLLING_REDIS_URL": redis.server.url, "COLUMNS": "120"}
        )

    return run


async def test_a_block_is_listed_and_lifted_on_every_node(node: Node, command: Command) -> None:
    # The command has an event loop of its own.
    listed = await asyncio.to_thread(command, "list")
    lifted = await asyncio.to_thread(command, "lift", SCANNER.key)
    await node.at(time.time()).round()
    after = await asyncio.to_thread(command, "list")
    await node.reconciler.close()

    assert SCANNER.key in listed.output
    assert lifted.exit_code == 0
    assert node.blocks.left(SCANNER, time.time()) == 0
    assert SCANNER.key not in after.output


async def test_who_is_not_blocked_cannot_be_lifted(node: Node, command: Command) -> None:
    result = await asyncio.to_thread(command, "lift", "ip:192.0.2.9")
    await node.reconciler.close()

    assert result.exit_code == 1


def test_without_a_redis_the_command_says_what_to_set(tmp_path: Path) -> None:
    elsewhere = {"POLLING_REDIS_URL": None, "POLLING_DATA_DIR": str(tmp_path)}

    result = CliRunner().invoke(app, ["blocks", "list"], env=elsewhere)

    assert result.exit_code == 1
    assert "POLLING_REDIS_URL" in result.output
