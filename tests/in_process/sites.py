"""Nodes with the HTTP of clients' streams, without a server."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp

from in_process.client_app import EVENTS, client_app
from in_process.feeds import FeedNode, HeldReplaySource, running_feeds
from in_process.nodes import NO_COMPARISON
from in_process.visiting import Visit, visiting
from polling_api.api.held import Holding
from polling_api.api.streaming import KeepAlive
from polling_api.domain.job import Job
from polling_api.hub import Transport
from polling_api.store import listing
from polling_api.store.source import PrimarySource
from polling_api.watch import Bounds


@dataclass(frozen=True, slots=True)
class Site:
    """One node with its HTTP."""

    node: FeedNode
    app: ASGIApp
    holding: Holding
    keep_alive: KeepAlive
    source: HeldReplaySource

    def visit(
        self,
        client: str,
        *,
        last_event_id: str | None = None,
        by_query: bool = False,
        method: str = "GET",
        full: bool = False,
    ) -> AbstractAsyncContextManager[Visit]:
        """Open the client's stream."""
        headers, query = {"X-Client": client}, dict[str, str]()
        if last_event_id is not None and by_query:
            query["last_event_id"] = last_event_id
        elif last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        return visiting(self.app, EVENTS, headers, query=query, method=method, full=full)

    async def publish(self, jobs: Sequence[Job]) -> None:
        """Tell everybody."""
        await self.node.hub.publish(jobs)
        await self.node.hub.flushed()


@asynccontextmanager
async def running_site(
    engine: AsyncEngine, transport: Transport, bounds: Bounds = NO_COMPARISON
) -> AsyncGenerator[Site]:
    source, holding, keep_alive = HeldReplaySource(PrimarySource(engine)), Holding(), KeepAlive(0.05, slots=1)
    async with running_feeds(source, transport, bounds) as node:
        app = client_app(partial(listing.page, engine), node.feeds, holding=holding, keep_alive=keep_alive)
        yield Site(node, app, holding, keep_alive, source)
