"""What sends webhooks, as the settings say."""

import time
from functools import lru_cache
from typing import NamedTuple

from polling_api.api.webhook_places import WebhookPlaces
from polling_api.app import connections
from polling_api.hub import Alarm
from polling_api.settings import Settings
from polling_api.signing.vault import Vault
from polling_api.store.engine import Engine
from polling_api.webhooks.alarm import may_be_told
from polling_api.webhooks.census import Census
from polling_api.webhooks.dispatcher import Dispatcher
from polling_api.webhooks.outbound import GuardedClient, Ports
from polling_api.webhooks.sender import Sender
from polling_api.webhooks.turns import Bounds, Turns

SECRETS_KEPT = 1024  # opened ones, in memory alone: opening one takes longer than signing with it


class Webhooks(NamedTuple):
    """The parts that send. `bell` is to be told of notices."""

    dispatcher: Dispatcher
    bell: Alarm
    census: Census
    client: GuardedClient

    async def close(self) -> None:
        """Give back connections."""
        await self.client.close()


def webhooks(settings: Settings, engine: Engine, owner: str) -> Webhooks:
    """Make the parts; nothing is connected before they run.

    Args:
        settings: with `master_keys`.
        engine: the primary's.
        owner: a name unlike that of any other dispatcher, also of an earlier one.

    Raises:
        ValueError: there is no master key.
    """
    bell, within = Alarm(may_be_told), settings.webhook_timeout
    client = GuardedClient(
        allow_private=settings.webhook_allow_private, ports=ports(settings), most_kept=settings.webhook_concurrency
    )
    opened = lru_cache(SECRETS_KEPT)(Vault(connections.master_keys(settings)).open)
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
        Sender(client, opened, within=within),
        turns,
        owner=owner,
        within=within,
        schedule=settings.webhook_schedule,
        wake=bell.ringing,
    )
    return Webhooks(dispatcher, bell, Census(engine), client)


def ports(settings: Settings) -> Ports:
    """The ports that webhooks may go to; None for any: of receivers in development they are any."""
    if settings.webhook_allow_private or not settings.webhook_ports:
        return None
    return frozenset(settings.webhook_ports)


def webhook_places(settings: Settings) -> WebhookPlaces:
    """Where webhooks may be sent."""
    return WebhookPlaces(ports(settings), allow_private=settings.webhook_allow_private)
