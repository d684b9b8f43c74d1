"""What both sets of endpoints stand on."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from polling_api import tallies
from polling_api.api.cursors import Cursors
from polling_api.api.held import Holding
from polling_api.api.lapsing import Lapsing
from polling_api.api.open_streams import OpenStreams
from polling_api.api.ownership import Ownership
from polling_api.api.streaming import KeepAlive
from polling_api.app import connections
from polling_api.app.circuits import Circuits
from polling_api.app.limiting import Limiting, limiting
from polling_api.app.pools import Pools, worker_pools
from polling_api.app.replication import Replication, replication
from polling_api.app.restarts import Restarts
from polling_api.app.running import FLUSH_WITHIN, Part
from polling_api.audit import AuditLog, Refusals
from polling_api.cache import StatusCache
from polling_api.hub import Hub, RedisTransport
from polling_api.resilience.lag import LoopLag
from polling_api.resilience.news_first import NewsFirst
from polling_api.resilience.vigil import Vigil
from polling_api.settings import Settings
from polling_api.signing.keyring import Keyring
from polling_api.signing.nonces import NONCE_CIRCUIT, RedisNonceStore, SeenNonces, SharedNonces
from polling_api.signing.tokens import Tokens
from polling_api.signing.vault import Vault
from polling_api.store import audit
from polling_api.store.good_keys import PrimaryKeys
from polling_api.store.pushes import make_due
from polling_api.store.shares import Kind
from polling_api.store.source import PrimarySource
from polling_api.watch import Absences, Bounds, ClientFeeds, StatusWatch, WarmUp
from polling_api.webhooks.inbound import Pushes


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """The parts of one process that serves HTTP, each made once."""

    settings: Settings
    circuits: Circuits
    pools: Pools
    vigil: Vigil
    replication: Replication
    transport: RedisTransport
    hub: Hub
    news: NewsFirst
    cache: StatusCache
    watch: StatusWatch
    warm_up: WarmUp
    feeds: ClientFeeds
    holding: Holding
    keep_alive: KeepAlive
    lapsing: Lapsing
    streams: OpenStreams
    ownership: Ownership
    cursors: Cursors
    keyring: Keyring
    vault: Vault
    tokens: Tokens
    nonces: SharedNonces
    audit: AuditLog
    refusals: Refusals
    limiting: Limiting
    pushes: Pushes
    lag: LoopLag
    restarts: Restarts

    @property
    def running(self) -> list[Part]:
        """The parts that run beside the requests."""
        return [
            self.lag.run,
            tallies.write_often,
            self.vigil.run,
            *self.replication.running,
            self.hub.run,
            self.cache.run,
            self.watch.run,
            self.warm_up.run,
            self.feeds.run,
            self.keep_alive.run,
            self.lapsing.run,
            self.keyring.run,
            self.refusals.run,
            self.pushes.run,
            self.limiting.own_figures.run,
            self.limiting.reconciler.run,
        ]

    async def close(self) -> None:
        """Write what waits to be recorded, and give back connections."""
        await self.keyring.close()
        await self.refusals.flush(FLUSH_WITHIN)
        await self.audit.close()
        await self.limiting.reconciler.close()
        await self.hub.close()
        await self.cache.close()
        await self.nonces.close()
        await self.replication.close()
        await self.pools.close()


def assemble(settings: Settings) -> Core:
    """Make the parts; nothing is connected before they run.

    Args:
        settings: with `database_url`, `redis_url` and `master_keys`.

    Raises:
        ValueError: an address is missing, there is no master key, a trusted proxy is no network, or the connections do
            not go round.
    """
    circuits = Circuits()
    pools = worker_pools(settings, circuits)
    keeping = connections.keeping(settings)
    transport, cache = connections.transport(settings, keeping), connections.status_cache(settings, keeping, circuits)
    master_keys = connections.master_keys(settings)
    hub = Hub(transport)
    replicas = replication(settings, circuits, pools[Kind.UPKEEP], cache)
    source, bounds, news = PrimarySource(pools[Kind.READS]), _bounds_of(settings), NewsFirst()
    watch = StatusWatch(source, hub, bounds, cache=cache, replicas=replicas.reads, news=news)
    feeds = ClientFeeds(source, hub, bounds, news=news)
    absences = Absences(time.monotonic, told_for=settings.absence_keep)
    warm_up = WarmUp(source, watch, cache, most=settings.warm_jobs)
    for listener in (watch, feeds, absences, warm_up):
        hub.join(listener)
    vault = Vault(master_keys)
    record = partial(audit.add, pools[Kind.AUDIT])

    def back() -> None:
        watch.gap()
        feeds.gap()

    nonces = RedisNonceStore(connections.redis_address(settings), timeout=settings.nonce_timeout)
    limits = limiting(settings, pools[Kind.UPKEEP])
    holding, keep_alive, lapsing = Holding(limits.held), KeepAlive(settings.keepalive_every), Lapsing()
    return Core(
        settings=settings,
        circuits=circuits,
        pools=pools,
        vigil=pools.vigil(gone=watch.lose_contact, back=back),
        replication=replicas,
        transport=transport,
        hub=hub,
        news=news,
        cache=cache,
        watch=watch,
        warm_up=warm_up,
        feeds=feeds,
        holding=holding,
        keep_alive=keep_alive,
        lapsing=lapsing,
        streams=OpenStreams(holding, keep_alive, lapsing),
        ownership=Ownership(watch, absences, time.monotonic),
        cursors=Cursors(master_keys),
        keyring=Keyring(PrimaryKeys(pools[Kind.UPKEEP]), vault),
        vault=vault,
        tokens=Tokens(master_keys),
        nonces=SharedNonces(nonces, SeenNonces(), circuits.breaker("nonces", NONCE_CIRCUIT)),
        audit=AuditLog(record),
        refusals=Refusals(record, now=lambda: datetime.now(UTC)),
        limiting=limits,
        pushes=Pushes(partial(make_due, pools[Kind.UPKEEP]), hub.ring, time.monotonic),
        lag=LoopLag(),
        restarts=Restarts(),
    )


def _bounds_of(settings: Settings) -> Bounds:
    return Bounds(
        compare_every=settings.compare_every,
        oldest_answer=settings.compare_every + 1,
        oldest_kept=settings.snapshot_kept,
        oldest_end=settings.ended_snapshot_kept,
        idle=settings.snapshot_idle,
        snapshots=settings.max_snapshots,
    )
