"""All children of a run together: started, kept up, ended."""

import asyncio
import random
import signal
from collections.abc import Sequence

import structlog

from polling_api.embedded import EmbeddedError, Server
from polling_api.resilience.backoff import full_jitter
from polling_api.supervisor.child import RESTART_FIRST, RESTART_MOST, Child, Role
from polling_api.supervisor.ending import end_in_stages
from polling_api.supervisor.errors import StartError
from polling_api.supervisor.readiness import until_ready
from polling_api.supervisor.roles import Roles

LOOK_AT_SERVERS_EVERY = 1.0  # seconds

_log = structlog.get_logger(__name__)


class Fleet:
    """The children and the embedded servers of one run.

    Args:
        roles: who they are.
        servers: the embedded servers, which others start and stop; here they are only replaced when they die.
    """

    def __init__(self, roles: Roles, servers: Sequence[Server]) -> None:
        self._first = [Child(role) for role in roles.first]
        self._last = [Child(role) for role in roles.last]
        self._servers = servers
        self._keeping: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start all children; returns before they are ready."""
        for child in (*self._last, *self._first):
            await child.start()

    async def ready(self, host: str, port: int, name: str, *, within: float) -> None:
        """Wait until the service takes requests, at most `within` seconds, and replace whatever dies from then on.

        Raises:
            StartError: a child died first, or it takes too long.
        """
        children = (*self._last, *self._first)
        deaths = {asyncio.create_task(child.ended(), name=child.role.name) for child in children}
        ready = asyncio.create_task(until_ready(host, port, name, within=within))
        try:
            done, _ = await asyncio.wait({ready, *deaths}, return_when=asyncio.FIRST_COMPLETED)
            for task in done & deaths:
                raise StartError(f"The {task.get_name()} ended while it started; its log says why.")
            await ready
        except TimeoutError as error:
            raise StartError(
                f"The service was not ready after {within:g} s (POLLING_START_WITHIN); its log says for what it waited."
            ) from error
        finally:
            for task in (ready, *deaths):
                task.cancel()
        self._keeping += [asyncio.create_task(child.keep()) for child in children]
        self._keeping += [asyncio.create_task(_keep(server)) for server in self._servers]

    async def add_once(self, role: Role) -> None:
        """Start one more child, which ends by itself and is not replaced."""
        child = Child(role)
        self._first.append(child)
        await child.start()

    async def end(
        self, number: signal.Signals, *, drain_seconds: float, signals: asyncio.Queue[signal.Signals]
    ) -> None:
        """End all children, as `end_in_stages` says."""
        for task in self._keeping:
            task.cancel()
        await end_in_stages((self._first, self._last), number, drain_seconds=drain_seconds, signals=signals)


async def _keep(server: Server) -> None:
    """Start an embedded server again whenever it dies. Runs until cancelled."""
    failures = 0
    while True:
        await asyncio.sleep(LOOK_AT_SERVERS_EVERY)
        if server.alive:
            failures = 0
            continue
        failures += 1
        wait = full_jitter(failures, first=RESTART_FIRST, most=RESTART_MOST, chance=random.random())  # noqa: S311
        _log.error("an embedded server died and will be started again", server=server.name, wait=round(wait, 2))
        await asyncio.sleep(wait)
        try:
            await asyncio.to_thread(server.restart)
        except (EmbeddedError, OSError) as error:  # the latter: no memory, or no process to be had
            _log.error("an embedded server could not be started again", server=server.name, reason=str(error))
