"""A whole worker in the test's own process: its server, and all that it is made of, to be looked into."""

import asyncio
import gc
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from in_process.deadlines import eventually
from polling_api.app.core import Core, assemble
from polling_api.app.service import Service, service_of
from polling_api.server import DrainingServer, raise_descriptor_limit, server_of
from polling_api.settings import Settings
from running.planted import MASTER_KEY

BACKLOG = 4096
UNLIMITED = dict.fromkeys(
    ("limit_ip_hour", "limit_token_hour", "limit_job_minute", "limit_burst", "limit_held_ip", "block_after"), 0
)


@dataclass(frozen=True, slots=True)
class Worker:
    """It, and where it listens."""

    core: Core
    service: Service
    server: DrainingServer
    port: int

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self.server.server_state.connections)


@asynccontextmanager
async def worker_here(database_url: str, redis_url: str, folder: Path) -> AsyncGenerator[Worker]:
    """A worker without limits, for as long as the block runs. It tells of polls at no level that is heard."""
    settings = Settings(
        database_url=SecretStr(database_url),
        redis_url=SecretStr(redis_url),
        master_keys=(SecretStr(MASTER_KEY),),
        data_dir=folder,
        provider="simulator",
        drain_seconds=0,
        heartbeat_timeout=4,
        **UNLIMITED,
    )
    core = assemble(settings)
    service = service_of(core)
    server = server_of(settings, service, raise_descriptor_limit())
    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    serving = asyncio.create_task(server.serve([listener]))
    try:
        await eventually(lambda: server.started)
        yield Worker(core, service, server, listener.getsockname()[1])
    finally:
        server.end()
        await serving
        gc.unfreeze()  # which the server froze
