"""One worker process: uvicorn, with limits raised, its collector tamed, and a drain that begins at the signal."""

import asyncio
import gc
import resource
import signal
import socket
import sys
from types import FrameType

import structlog
import uvicorn
from uvicorn.config import Config

from polling_api.api.held import Holding
from polling_api.app.service import Service, create_app
from polling_api.protocol import Bounds, Capacity, CountedProtocol
from polling_api.ratelimit import Proxies
from polling_api.settings import Settings

SIGINT_DRAIN = 0.5  # seconds: somebody waits at the keyboard
STOP_MARGIN = 1.0  # seconds for what is not done when the drain is over; the supervisor kills two later
BACKLOG = 4096  # connections that may wait to be accepted while ten thousand return at once
UNSENT_IN_SYSTEM = 128 * 1024  # bytes: what a connection may have waiting in the system; as much is on its way
DESCRIPTORS_KEPT = 256  # for all else: pools, Redis, and a spool file for each upload
# Of the garbage collector: a full one over 9,000 streams stops the loop for 2 s, and each object that is looked at does
# for 0.6 µs, while thousands are held. So the young are collected often and few at a time, the old hardly ever.
COLLECTED_AFTER = (10_000, 2, 5_000)
ON_THIS_MACHINE = ("unix", "127.0.0.0/8", "::1/128")  # a proxy beside us, or whoever runs us

_log = structlog.get_logger(__name__)


class DrainingServer(uvicorn.Server):
    """Ends what is held open from the exit signal on; the lifespan's end would be too late, since it comes after.

    While streams are being let go after SIGTERM, new connections are still taken: balancers have to hear from
    `/health/ready` that nothing more should come, and until they have asked, what comes is answered.
    """

    def __init__(self, config: Config, holding: Holding, drain_seconds: float) -> None:
        super().__init__(config)
        self._holding = holding
        self._drain_seconds = drain_seconds
        self._drain: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hurrying = False
        self._deadline = 0.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then keep the garbage collector away from what lives as long as the process."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        gc.collect()
        gc.freeze()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second signal is uvicorn's to handle."""
        seconds = SIGINT_DRAIN if sig == signal.SIGINT else self._drain_seconds
        if self._loop is not None and not self.should_exit:
            self._loop.call_soon_threadsafe(self._begin_drain, seconds)
        self._hurrying = self._loop is None or self.should_exit or sig == signal.SIGINT
        super().handle_exit(sig, frame)

    def end(self) -> None:
        """Let go of everything at once, and end: for whoever runs a server beside other things, and sends no signal."""
        self._hurrying = self.should_exit = True
        self._begin_drain(0)

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop listening and end."""
        ending = await super().on_tick(counter)
        if not ending or self._hurrying:
            return ending
        if self._drain is None or not self._drain.done():
            return False
        # What is still being sent or received has the rest of the time.
        left = self._deadline - asyncio.get_running_loop().time()
        self.config.timeout_graceful_shutdown = max(1, int(left))
        return True

    def _begin_drain(self, seconds: float) -> None:
        if self._drain is None:
            _log.info("draining", seconds=seconds)
            self._deadline = asyncio.get_running_loop().time() + seconds + STOP_MARGIN
            # Idle connections are closed, the others with the answers that are under way.
            for connection in list(self.server_state.connections):
                connection.shutdown()
            self._drain = asyncio.create_task(self._holding.drain(seconds))


def run_worker(settings: Settings, fd: int | None = None) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: with both `database_url` and `redis_url`.
        fd: a listening socket that is inherited from the supervisor; None listens on `host` and `port`.
    """
    descriptors = raise_descriptor_limit()
    gc.set_threshold(*COLLECTED_AFTER)
    # uvicorn's own `fd` takes every socket for a Unix one, which leaves Nagle's algorithm on: 40 ms for each answer.
    inherited = None if fd is None else [_forgetful(socket.socket(fileno=fd), settings.stalled_seconds)]
    server_of(settings, create_app(settings), descriptors).run(inherited)


def server_of(settings: Settings, service: Service, descriptors: int) -> DrainingServer:
    """The server of a service, which does not listen yet.

    Args:
        settings: those of the service.
        service: what answers.
        descriptors: how many this process may have; negative where there is no limit.
    """
    capacity = capacity_within(settings, descriptors)
    config = Config(
        service.asgi,
        host=settings.host,
        port=settings.port,
        loop="auto",
        http=CountedProtocol.bounded(bounds_of(settings), capacity, service.guard, news=service.news),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # it would hold query strings, and with them tokens; `Edge` logs instead
        proxy_headers=False,  # it would trust anybody on this machine to say who the caller is
        server_header=False,
        date_header=False,  # `Edge` sets it when an answer starts, which may be long after its request came
        backlog=BACKLOG,
        timeout_keep_alive=65,  # a polite poller's 30 s twice, so that its connection is still there
        timeout_graceful_shutdown=int(settings.drain_seconds + STOP_MARGIN),
    )
    return DrainingServer(config, service.holding, settings.drain_seconds)


def capacity_within(settings: Settings, descriptors: int) -> Capacity:
    """How many connections are taken: those wanted, or those for which there are descriptors, if they are fewer.

    Args:
        settings: what is wanted.
        descriptors: what this process may have; negative where there is no limit.
    """
    wanted = settings.limit_connections_process or sys.maxsize
    most = wanted if descriptors < 0 else min(wanted, max(1, descriptors - DESCRIPTORS_KEPT))
    if settings.limit_connections_process > most:
        _log.warning("fewer connections are taken than wanted", most=most, wanted=wanted, descriptors=descriptors)
    proxies = Proxies((*settings.trusted_proxies, *ON_THIS_MACHINE))
    return Capacity(most, settings.limit_connections_address or sys.maxsize, proxies.trust_peer)


def bounds_of(settings: Settings) -> Bounds:
    """How long requests and readers may take, as it is set."""
    return Bounds(
        head_seconds=settings.head_seconds,
        body_seconds=settings.body_seconds,
        body_rate=settings.body_rate,
        stalled_seconds=settings.stalled_seconds,
    )


def _forgetful(listener: socket.socket, stalled_seconds: float) -> socket.socket:
    """Have the system keep little for readers that do not read, and give up those that are gone without a word.

    What it accepts inherits this. Its own buffers take megabytes otherwise, so that we would not notice; and its own
    patience with a client that has lost its network is a quarter of an hour.
    """
    for name, value in (("TCP_NOTSENT_LOWAT", UNSENT_IN_SYSTEM), ("TCP_USER_TIMEOUT", int(stalled_seconds * 1000))):
        if hasattr(socket, name) and listener.family in {socket.AF_INET, socket.AF_INET6}:
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return listener


def raise_descriptor_limit() -> int:
    """Allow as many open connections as the system lets this process have.

    Returns:
        How many descriptors there are now.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
