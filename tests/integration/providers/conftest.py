import asyncio
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from openai import AsyncOpenAI
from starlette.types import ASGIApp, Receive, Scope, Send

from polling_api.providers.openai import OpenAIBatches
from polling_api.providers.protocol import Submission
from polling_api.providers.simulator import Pace, create_simulator


class HandClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class RunningSimulator:
    """A simulator that is being served, whose time is in the test's hand."""

    def __init__(self, origin: str, clock: HandClock, controls: httpx.AsyncClient) -> None:
        self.url = f"{origin}/v1"
        self.clock = clock
        self._controls = controls

    async def order(self, kind: str, **fault: object) -> httpx.Response:
        return await self._controls.post("/faults", json={"kind": kind, **fault})

    async def faults(self) -> list[Mapping[str, Any]]:
        return (await self._controls.get("/faults")).json()["faults"]

    async def forget_faults(self) -> None:
        await self._controls.delete("/faults")

    async def calls(self) -> Mapping[str, int]:
        return (await self._controls.get("/calls")).json()["calls"]

    async def recount(self) -> None:
        await self._controls.delete("/calls")

    async def batches(self) -> Mapping[str, int]:
        return (await self._controls.get("/calls")).json()["batches"]


class Stage:
    """An ASGI app that is another one in each test: a server takes a while to stop."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app
        await self.app(scope, receive, send)


def free_port() -> socket.socket:
    # With the protocol named, or asyncio leaves Nagle's algorithm on and each answer takes 40 ms.
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    return taken


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncGenerator[str]:
    config = uvicorn.Config(app, lifespan="off", log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with free_port() as taken:
        running = asyncio.create_task(server.serve(sockets=[taken]))
        try:
            yield f"http://127.0.0.1:{taken.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


@dataclass
class Theatre:
    """A served stage, and a client of what is played there."""

    stage: Stage
    origin: str
    controls: httpx.AsyncClient

    def play(self, folder: Path) -> RunningSimulator:
        """Start the simulator anew in a folder."""
        clock = HandClock()
        pace = Pace(validating=1, running=10, finalizing=1, cancelling=2)
        self.stage.app = create_simulator(folder, clock=clock, pace=pace)
        return RunningSimulator(self.origin, clock, self.controls)


@pytest.fixture(scope="session")
async def theatre() -> AsyncIterator[Theatre]:
    stage = Stage()
    async with served(stage) as origin, httpx.AsyncClient(base_url=f"{origin}/simulator") as controls:
        yield Theatre(stage, origin, controls)


@pytest.fixture
def simulator(theatre: Theatre, tmp_path: Path) -> RunningSimulator:
    return theatre.play(tmp_path / "simulator")


@pytest.fixture
async def openai_client(simulator: RunningSimulator) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=simulator.url, api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
async def provider(simulator: RunningSimulator) -> AsyncIterator[OpenAIBatches]:
    provider = OpenAIBatches(simulator.url, api_key=None, name="simulator", timeout=1, concurrency=4)
    yield provider
    await provider.close()


def request_lines(count: int, endpoint: str = "/v1/chat/completions") -> list[bytes]:
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    members = {"method": "POST", "url": endpoint, "body": body}
    return [json.dumps({"custom_id": f"r-{number}", **members}).encode() for number in range(count)]


def submission(job_id: str, *, lines: list[bytes] | None = None, script: str | None = None) -> Submission:
    async def read() -> AsyncIterator[bytes]:
        for line in request_lines(10) if lines is None else lines:
            yield line

    return Submission(job_id, "/v1/chat/completions", read, script)
