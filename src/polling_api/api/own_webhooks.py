"""The webhook that a submission gives its job: who may, what is told there, and the secret that signs it."""

from typing import NamedTuple

from polling_api.api.submission import Webhook
from polling_api.api.webhook_places import lane_of
from polling_api.domain.webhook import Topic
from polling_api.errors import Refused
from polling_api.signing.vault import Vault, new_secret
from polling_api.store.jobs import NewWebhook
from polling_api.webhooks.standard import secret_of


class OwnWebhook(NamedTuple):
    """What is stored with a job, and the secret as its submitter is told it, once."""

    stored: NewWebhook
    secret: str


class OwnWebhooks:
    """Makes the webhooks of single jobs.

    Args:
        vault: seals their secrets.
        anonymous: whether unsigned submitters may have one; they are told the end alone.
    """

    def __init__(self, vault: Vault, *, anonymous: bool) -> None:
        self._vault = vault
        self._anonymous = anonymous

    def of(self, asked: Webhook | None, job_id: str, client_id: str | None, address: str) -> OwnWebhook | None:
        """The webhook of a job that is about to be stored; None where none is asked for.

        Args:
            asked: what the submission says.
            job_id: of the job.
            client_id: its owner; None where it is public.
            address: the network address that an unsigned submit came from, which then counts as the owner.

        Raises:
            Refused: unsigned submitters may have none (`anonymous_webhooks_disabled`).
        """
        if asked is None:
            return None
        if client_id is None and not self._anonymous:
            raise Refused("This service sends webhooks for its clients alone.", code="anonymous_webhooks_disabled")
        secret = new_secret()
        events = (Topic.TERMINAL,) if client_id is None else asked.events
        lane = lane_of(client_id or address, asked.url)
        return OwnWebhook(NewWebhook(asked.url, lane, events, self._vault.seal(job_id, secret)), secret_of(secret))
