"""`serve`, from the first socket to the last process."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from typing import Any

from polling_api import metrics
from polling_api.settings import Settings
from polling_api.supervisor.child import Role
from polling_api.supervisor.connections import check_connections
from polling_api.supervisor.fleet import Fleet
from polling_api.supervisor.listening import listen
from polling_api.supervisor.pushing import pushing
from polling_api.supervisor.roles import roles
from polling_api.supervisor.signals import Ended, EndingSignals
from polling_api.supervisor.standing import bring_up_to_date, migrated_url, standing


@dataclass(frozen=True, slots=True)
class Plan:
    """What belongs to a run beside the settings.

    Attributes:
        tell: how the user learns what happens: called with an event, and facts by name.
        monitor: whether a monitor runs here.
        demo: whether a first batch is followed in the terminal.
        environment: settings of the children that differ from ours.
        output: the file that the children log to, begun anew; None for where we log.
    """

    tell: Callable[..., Any]
    monitor: bool = True
    demo: bool = False
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    output: Path | None = None


def serve(settings: Settings, plan: Plan) -> signal.Signals:
    """Run the whole service until SIGINT, SIGTERM or SIGHUP, and leave no process behind.

    Returns:
        The signal.

    Raises:
        StartError: an address is taken, or the service does not become ready; says what to do.
        EmbeddedError: an embedded server cannot be started; says what to do.
    """
    with EndingSignals() as signals, ExitStack() as stack:
        try:
            # Before anything is started: a port that is taken is the commonest mistake.
            service = stack.enter_context(_service_socket(settings))
            simulator = stack.enter_context(_simulator_socket(settings)) if _simulates(settings) else None
            ground = stack.enter_context(standing(settings))
            stack.callback(signals.ending)  # called before the servers are stopped
            for server in ground.servers:
                plan.tell(f"embedded {server.name} started", where=str(server.where))
            bring_up_to_date(migrated_url(settings, ground.database_url), within=settings.start_within)
            check_connections(ground.database_url, settings)
            figures = stack.enter_context(TemporaryDirectory(prefix="polling-metrics-"))
            environment = {
                **os.environ,
                **ground.environment,
                **(pushing(settings) if simulator else {}),
                **plan.environment,
                metrics.SHARED_FOLDER: figures,
            }
            if plan.output is not None:
                plan.output.parent.mkdir(parents=True, exist_ok=True)
                plan.output.write_bytes(b"")
            fleet = Fleet(
                roles(
                    workers=settings.workers,
                    monitor=plan.monitor,
                    service=service,
                    simulator=simulator,
                    environment=environment,
                    output=plan.output,
                ),
                ground.servers,
            )
            demo = Role("demo", ("demo",), environment) if plan.demo else None
            return asyncio.run(_run(fleet, settings, signals, plan.tell, demo))
        except Ended as ended:
            return ended.number


async def _run(
    fleet: Fleet, settings: Settings, signals: EndingSignals, tell: Callable[..., Any], demo: Role | None
) -> signal.Signals:
    queue = signals.queue()
    number = signal.SIGTERM
    ended = asyncio.create_task(queue.get())
    up = asyncio.create_task(_bring_up(fleet, settings, tell, demo))
    try:
        await asyncio.wait({up, ended}, return_when=asyncio.FIRST_COMPLETED)
        if up.done():
            up.result()
        number = await ended
    finally:
        up.cancel()
        ended.cancel()
        await asyncio.gather(up, ended, return_exceptions=True)
        await fleet.end(number, drain_seconds=settings.drain_seconds, signals=queue)
    return number


async def _bring_up(fleet: Fleet, settings: Settings, tell: Callable[..., Any], demo: Role | None) -> None:
    await fleet.start()
    await fleet.ready(settings.host, settings.port, settings.own_host, within=settings.start_within)
    tell("ready", address=f"http://{settings.host}:{settings.port}")
    if demo is not None:
        await fleet.add_once(demo)


def _service_socket(settings: Settings) -> socket:
    return listen(settings.host, settings.port, host_setting="POLLING_HOST", port_setting="POLLING_PORT")


def _simulates(settings: Settings) -> bool:
    return settings.simulated and settings.upstream_url is None


def _simulator_socket(settings: Settings) -> socket:
    # On loopback alone: it asks for no key and knows no limit.
    return listen(
        "127.0.0.1",
        settings.simulator_port,
        host_setting="POLLING_UPSTREAM_URL",
        port_setting="POLLING_SIMULATOR_PORT",
    )
