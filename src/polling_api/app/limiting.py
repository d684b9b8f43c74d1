"""What holds callers to their limits, in one process and together with all others."""

import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.api.guard import Guard
from polling_api.api.limits import RouteLimiter
from polling_api.app import connections
from polling_api.ratelimit import (
    Blocks,
    Counters,
    Figures,
    Held,
    OwnFigures,
    Proxies,
    Reconciler,
    RedisExchange,
    SeenProxy,
    Suspects,
    Uploads,
    Windows,
)
from polling_api.settings import Settings
from polling_api.store import clients

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limiting:
    """The parts, each made once."""

    figures: Figures
    counters: Counters
    windows: Windows
    held: Held
    uploads: Uploads
    own_figures: OwnFigures
    seen_proxy: SeenProxy
    reconciler: Reconciler
    guard: Guard
    clock: Clock

    def limiter(self) -> RouteLimiter:
        """What declares the limits of one router's ordinary routes: slowapi tells routes apart by their names alone."""
        return RouteLimiter(self.counters, self.windows, self.figures, self.clock)

    async def together(self) -> None:
        """Whether counts are shared.

        Raises:
            ConnectionError: they are not.
        """
        if not self.reconciler.together:
            raise ConnectionError("counts are not shared: this process limits alone")

    def warnings(self) -> list[str]:
        """What an operator should know of how callers are told apart."""
        proxy = self.seen_proxy.found(self.clock())
        if proxy is None:
            return []
        seems = f"Nearly all requests come from {proxy} and say that it forwards them: all its callers count as one. "
        return [seems + "Name it in POLLING_TRUSTED_PROXIES if it is a proxy of yours."]


def limiting(settings: Settings, engine: AsyncEngine, clock: Clock = time.time) -> Limiting:
    """Make the parts; nothing is connected before they run.

    Args:
        settings: the figures, and where Redis is.
        engine: where clients' own figures are.
        clock: gives epoch seconds.

    Raises:
        ValueError: the address of Redis is missing, or a trusted proxy is no network.
    """
    process = secrets.token_hex(8)
    figures = figures_of(settings).meant()
    counters = Counters()
    windows = Windows(counters, figures)
    held = Held(figures.held_process, clock)
    blocks = Blocks(first=settings.block_seconds)
    suspects = Suspects(process, blocks, enough=settings.block_after)
    seen_proxy, own_figures = SeenProxy(), OwnFigures(partial(clients.own_hours, engine))
    exchange = RedisExchange(connections.redis_address(settings), process, timeout=settings.redis_timeout)
    return Limiting(
        figures=figures,
        counters=counters,
        windows=windows,
        held=held,
        uploads=Uploads(settings.limit_upload_party or sys.maxsize, settings.limit_upload_process or sys.maxsize),
        own_figures=own_figures,
        seen_proxy=seen_proxy,
        reconciler=Reconciler(exchange, [suspects, held, counters], blocks, clock),
        guard=Guard(
            figures=figures,
            proxies=Proxies(settings.trusted_proxies),
            windows=windows,
            blocks=blocks,
            suspects=suspects,
            seen_proxy=seen_proxy,
            own_hour=own_figures.hour,
            clock=clock,
        ),
        clock=clock,
    )


def figures_of(settings: Settings) -> Figures:
    """The figures as they are set, where 0 stands for no limit."""
    return Figures(**{name: getattr(settings, f"limit_{name}") for name in Figures._fields})
