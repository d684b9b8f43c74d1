"""The receivers of `examples/`, run as they are, against messages signed as the standard says."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from polling_api.webhooks.standard import Message, key_of, secret_of, signed

EXAMPLES = Path(__file__).parents[3] / "examples" / "receivers"
SECRET, OTHER = secret_of(b"made up for receivers of webhook"), secret_of(b"another one, that replaced it...")
STARTED_WITHIN = 20.0  # seconds
INSTALLED_WITHIN = 60  # seconds


def event(version: int, *, job_id: str = "job_1", status: str = "in_progress", **changed: Any) -> bytes:
    job = {"object": "job", "id": job_id, "status": status, "terminal": status == "succeeded", "version": version}
    told = {"type": f"job.{status}", "timestamp": "2026-11-26T05:00:00.000000Z", "data": job}
    return json.dumps(told | changed).encode()


class Receiving:
    """A running receiver."""

    def __init__(self, url: str, lines: asyncio.StreamReader, client: httpx.AsyncClient) -> None:
        self._url = url
        self._lines = lines
        self._client = client

    async def send(self, body: bytes, *, sent: bytes | None = None, at: float | None = None, **more: str) -> int:
        """Send a message, or other bytes than were signed; answers the status."""
        message = Message("msg_1", int(time.time() if at is None else at))
        headers = {
            "content-type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(message.timestamp),
            "webhook-signature": signed(key_of(SECRET), message, body),
        }
        more = {name.replace("_", "-"): value for name, value in more.items()}
        answer = await self._client.post(self._url, content=body if sent is None else sent, headers=headers | more)
        return answer.status_code

    async def worked_on(self) -> str:
        """What it has done next."""
        async with asyncio.timeout(STARTED_WITHIN):
            return (await self._lines.readline()).decode().strip()


@asynccontextmanager
async def running(*command: str, folder: Path) -> AsyncGenerator[Receiving]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env={**os.environ, "WEBHOOK_SECRET": SECRET, "PORT": "0"}, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(STARTED_WITHIN), httpx.AsyncClient(timeout=10, trust_env=False) as client:
            greeting = (await process.stdout.readline()).decode()
            yield Receiving(greeting.removeprefix("listening on ").strip(), process.stdout, client)
    finally:
        process.kill()
        await process.wait()


@pytest.fixture(scope="module")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Node, and a folder with the JavaScript receiver and its package."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("javascript")
    for name in ("receiver.mjs", "package.json", "package-lock.json", ".npmrc"):
        shutil.copy(EXAMPLES / "javascript" / name, folder)
    installing = [npm, "ci", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0"]
    try:
        subprocess.run(installing, cwd=folder, check=True, capture_output=True, timeout=INSTALLED_WITHIN)  # noqa: S603
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("the npm package standardwebhooks cannot be had")
    return node, folder


@pytest.fixture(params=["python", "javascript"])
async def receiver(request: pytest.FixtureRequest) -> AsyncIterator[Receiving]:
    if request.param == "python":
        command, script, folder = sys.executable, "receiver.py", EXAMPLES / "python"
    else:
        command, folder = request.getfixturevalue("javascript")
        script = "receiver.mjs"
    async with running(str(command), script, folder=folder) as receiving:
        yield receiving


async def test_a_signed_version_is_taken_and_worked_on(receiver: Receiving) -> None:
    assert await receiver.send(event(4)) == 204

    assert await receiver.worked_on() == "job_1 version 4: in_progress"


async def test_what_is_old_or_was_there_before_is_taken_and_dropped(receiver: Receiving) -> None:
    statuses = [await receiver.send(event(version)) for version in (4, 4, 3, 5)]
    statuses.append(await receiver.send(event(1, job_id="job_2", status="queued")))

    assert statuses == [204] * 5
    assert [await receiver.worked_on() for _ in range(3)] == [
        "job_1 version 4: in_progress",
        "job_1 version 5: in_progress",
        "job_2 version 1: queued",
    ]


async def test_what_is_not_signed_so_is_refused(receiver: Receiving) -> None:
    body = event(4)
    altered = body.replace(b'"version": 4', b'"version": 9')
    other = signed(key_of(OTHER), Message("msg_1", int(time.time())), body)
    refused = [
        await receiver.send(body, sent=altered),
        await receiver.send(body, webhook_id="msg_2"),
        await receiver.send(body, webhook_signature=other),
        await receiver.send(body, webhook_signature="nonsense"),
        await receiver.send(body, at=time.time() - 600),
        await receiver.send(body, at=time.time() + 600),
    ]

    assert refused == [401] * 6
    assert await receiver.send(event(5)) == 204
    assert await receiver.worked_on() == "job_1 version 5: in_progress"


async def test_one_of_two_signatures_is_enough_while_a_secret_is_replaced(receiver: Receiving) -> None:
    now, body = time.time(), event(4)
    message = Message("msg_1", int(now))
    both = f"{signed(key_of(OTHER), message, body)} {signed(key_of(SECRET), message, body)}"

    assert await receiver.send(body, at=now, webhook_signature=both) == 204

    assert await receiver.worked_on() == "job_1 version 4: in_progress"


async def test_a_type_of_another_day_is_let_pass(receiver: Receiving) -> None:
    assert await receiver.send(event(4, type="endpoint.disabled", data={"id": "we_1"})) == 204
    assert await receiver.send(event(4)) == 204

    assert await receiver.worked_on() == "job_1 version 4: in_progress"


async def test_a_body_without_end_is_refused(receiver: Receiving) -> None:
    try:
        status = await receiver.send(event(4, padding="x" * 300_000))
    except httpx.TransportError:
        return  # cut off while it was being sent
    assert status == 413
