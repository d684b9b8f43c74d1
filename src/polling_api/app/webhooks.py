"""What sends webhooks, as the settings say."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import httpx

from polling_api.api.webhook_places import WebhookPlaces
from polling_api.app import connections
from polling_api.hub import Alarm, Notice
from polling_api.settings import Settings
from polling_api.signing.vault import Vault
from polling_api.store.engine import Engine
from polling_api.webhooks.census import Census
from polling_api.webhooks.dispatcher import Dispatcher
from polling_api.webhooks.outbound import GuardedTransport, Ports, guarded_client
from polling_api.webhooks.sender import Sender
from polling_api.webhooks.turns import Bounds, Turns

POOLS = 8  # of connections; see `Sender`
KEEP_IDLE = 15.0  # seconds; receivers close idle connections after some more


class Webhooks(NamedTuple):
    """The parts that send. `bell` is to be told of notices."""

    dispatcher: Dispatcher
    bell: Alarm
    census: Census
    clients: Sequence[httpx.AsyncClient]

    async def close(self) -> None:
        """Give back connections."""
        for client in self.clients:
            await client.aclose()


def webhooks(settings: Settings, engine: Engine, owner: str) -> Webhooks:
    """Make the parts; nothing is connected before they run.

    Args:
        settings: with `master_keys`.
        engine: the primary's.
        owner: a name unlike that of any other dispatcher, also of an earlier one.

    Raises:
        ValueError: there is no master key.
    """
    bell, within = Alarm(_tells_a_version), settings.webhook_timeout
    clients = [guarded_client(_transport(settings), timeout=within) for _ in range(POOLS)]
    turns = Turns(
        Bounds(
            whole=settings.webhook_concurrency,
            destination=settings.webhook_destination_concurrency,
            owner=settings.webhook_owner_concurrency,
            destination_rate=settings.webhook_destination_rate,
            owner_rate=settings.webhook_owner_rate,
        ),
        time.monotonic,
    )
    dispatcher = Dispatcher(
        engine,
        Sender(clients, Vault(connections.master_keys(settings)).open, within=within),
        turns,
        owner=owner,
        within=within,
        schedule=settings.webhook_schedule,
        wake=bell.ringing,
    )
    return Webhooks(dispatcher, bell, Census(engine), clients)


def ports(settings: Settings) -> Ports:
    """The ports that webhooks may go to; None for any: of receivers in development they are any."""
    if settings.webhook_allow_private or not settings.webhook_ports:
        return None
    return frozenset(settings.webhook_ports)


def _transport(settings: Settings) -> GuardedTransport:
    # As many connections as deliveries: none waits for one that a receiver which hangs has in use.
    limits = httpx.Limits(
        max_connections=settings.webhook_concurrency,
        max_keepalive_connections=max(1, settings.webhook_concurrency // POOLS),
        keepalive_expiry=KEEP_IDLE,
    )
    return GuardedTransport(allow_private=settings.webhook_allow_private, ports=ports(settings), limits=limits)


def webhook_places(settings: Settings) -> WebhookPlaces:
    """Where webhooks may be sent."""
    return WebhookPlaces(ports(settings), allow_private=settings.webhook_allow_private)


def _tells_a_version(notice: Notice) -> bool:
    """Most that is told of a job is written with a version; its end does not wait for its being deleted."""
    return not notice.tells_deletion
