"""One attempt: what is sent, and what is made of the answer."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Protocol
from zlib import crc32

import httpx

from polling_api.providers.openai.wire import seconds_to_wait
from polling_api.store.webhook_leases import Claimed
from polling_api.webhooks.message import body_of
from polling_api.webhooks.outbound import Forbidden, Unresolved
from polling_api.webhooks.schedule import Answer
from polling_api.webhooks.signature import signature_headers

MOST_READ = 1024  # bytes of an answer: it is shown to the receiver's owner, and means nothing to us
_HEADERS = {"content-type": "application/json", "user-agent": "polling-api-webhooks/1", "accept-encoding": "identity"}

Open = Callable[[str, bytes], bytes]
"""Opens a secret that was sealed for an id; raises where no master key does."""


class Send(Protocol):
    """Asks a receiver once."""

    async def __call__(self, claimed: Claimed) -> Answer:
        """Send a claimed delivery whose `url` is given; never raises."""
        ...


class Sender:
    """Sends over HTTP.

    Args:
        clients: follow no redirects, and connect to no address that they should not; each has a share of the lanes.
            httpcore looks at every connection of a pool for every request, so of several pools each is quicker.
        opened: opens secrets.
        within: seconds for the whole of an attempt.
        now: the time that goes into signatures.
    """

    def __init__(
        self,
        clients: Sequence[httpx.AsyncClient],
        opened: Open,
        *,
        within: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._clients = clients
        self._opened = opened
        self._now = now
        self.within = within

    async def __call__(self, claimed: Claimed) -> Answer:
        """Send a delivery."""
        assert claimed.url is not None  # noqa: S101 - whoever has nobody to tell does not come here
        secrets = [self._opened(claimed.sealed_for, sealed) for sealed in claimed.sealed]
        try:
            async with asyncio.timeout(self.within):
                return await self._asked(claimed, claimed.url, secrets)
        except TimeoutError:
            return Answer(None, f"no answer within {self.within:g} s", hung=True)
        except (Forbidden, Unresolved) as error:
            return Answer(None, error.detail)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            # Of the error its kind alone: its words may name addresses, which are nobody's business.
            return Answer(None, _words_of(error), hung=isinstance(error, httpx.TimeoutException))

    async def _asked(self, claimed: Claimed, url: str, secrets: Sequence[bytes]) -> Answer:
        now, body = self._now(), body_of(claimed)
        headers = _HEADERS | signature_headers(secrets, claimed.id, int(now.timestamp()), body)
        client = self._clients[crc32(claimed.present_lane.encode()) % len(self._clients)]
        async with client.stream("POST", url, content=body, headers=headers) as answer:
            begun = bytearray()
            async for part in answer.aiter_raw():
                begun += part[: MOST_READ - len(begun)]
                if len(begun) >= MOST_READ:
                    break
        return Answer(
            answer.status_code,
            None if answer.is_success else _named(answer.status_code),
            bytes(begun).decode(errors="replace"),
            seconds_to_wait(answer.headers.get("retry-after"), now=now),
        )


def _named(status_code: int) -> str:
    try:
        return f"{status_code} {HTTPStatus(status_code).phrase}"
    except ValueError:
        return str(status_code)


def _words_of(error: Exception) -> str:
    match error:
        case httpx.ConnectTimeout() | httpx.ConnectError():
            return "no connection"
        case httpx.TimeoutException():
            return "no answer in time"
        case httpx.ProtocolError():
            return "the answer is no HTTP"
        case _:
            return "the connection broke"
