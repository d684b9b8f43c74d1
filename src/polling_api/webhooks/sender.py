"""One attempt: what is sent, and what is made of the answer."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Protocol

from polling_api.providers.openai.wire import seconds_to_wait
from polling_api.store.webhook_leases import Claimed
from polling_api.webhooks.message import body_of
from polling_api.webhooks.outbound import Answered, Forbidden, GuardedClient, Unanswered, Unresolved
from polling_api.webhooks.schedule import Answer
from polling_api.webhooks.signature import signature_headers

_HEADERS = {"Content-Type": "application/json", "User-Agent": "polling-api-webhooks/1"}

Open = Callable[[str, bytes], bytes]
"""Opens a secret that was sealed for an id; raises where no master key does."""


class Send(Protocol):
    """Asks a receiver once."""

    async def __call__(self, claimed: Claimed, by: float, /) -> Answer:
        """Send a claimed delivery whose `url` is given, or nothing after `by`, in monotonic seconds; never raises."""
        ...


class Sender:
    """Sends over HTTP.

    Args:
        client: connects to no address that it should not.
        opened: opens secrets.
        within: seconds for the whole of an attempt.
        now: the time that goes into signatures.
    """

    def __init__(
        self,
        client: GuardedClient,
        opened: Open,
        *,
        within: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._opened = opened
        self._now = now
        self.within = within

    async def __call__(self, claimed: Claimed, by: float) -> Answer:
        """Send a delivery."""
        assert claimed.url is not None  # noqa: S101 - whoever has nobody to tell does not come here
        secrets = [self._opened(claimed.sealed_for, sealed) for sealed in claimed.sealed]
        now, body = self._now(), body_of(claimed)
        headers = _HEADERS | signature_headers(secrets, claimed.id, int(now.timestamp()), body)
        try:
            async with asyncio.timeout(self.within):
                answered = await self._client.post(claimed.url, headers, body, by=by)
        except TimeoutError:
            return Answer(None, f"no answer within {self.within:g} s", hung=True)
        except (Forbidden, Unresolved) as error:
            return Answer(None, error.detail)
        except Unanswered as error:
            return Answer(None, error.detail, hung=error.hung)
        return _told(answered, now)


def _told(answered: Answered, now: datetime) -> Answer:
    return Answer(
        answered.status_code,
        None if HTTPStatus.OK <= answered.status_code < HTTPStatus.MULTIPLE_CHOICES else _named(answered.status_code),
        answered.body.decode(errors="replace"),
        seconds_to_wait(answered.retry_after, now=now),
    )


def _named(status_code: int) -> str:
    try:
        return f"{status_code} {HTTPStatus(status_code).phrase}"
    except ValueError:
        return str(status_code)
