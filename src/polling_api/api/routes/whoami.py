"""`GET` of who signed the request."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from polling_api.api.admission import admission_of
from polling_api.api.answers import VARY
from polling_api.api.forms import asked_fields
from polling_api.api.signers import ended_meanwhile
from polling_api.domain.fields import CLIENT, picked
from polling_api.ratelimit import Figures
from polling_api.representation import API_VERSION
from polling_api.store.clients import Client


class WhoamiEndpoint:
    """Tells a client who it is.

    Args:
        find: reads a client.
        limits: what holds for clients that have no figures of their own.
    """

    def __init__(self, find: Callable[[str], Awaitable[Client | None]], limits: Mapping[str, int]) -> None:
        self._find = find
        self._limits = limits

    async def __call__(self, request: Request, fields: str | None) -> Response:
        """Answer with the client and the key that signed.

        Raises:
            Unavailable: the database does not answer.
            Invalid: a client has no such field.
        """
        wanted = asked_fields(CLIENT, fields)
        caller = admission_of(request.scope).caller
        client = await self._find(caller.client_id or "")
        if client is None:
            raise ended_meanwhile()
        document = {
            "object": "client",
            "id": client.id,
            "name": client.name,
            "key_id": caller.key_id,
            "limits": described_limits(self._limits, client.limits),
            "api_version": client.api_version or API_VERSION,
        }
        body = orjson.dumps(document if wanted is None else picked(document, wanted))
        headers = {"cache-control": "no-store", "vary": VARY[1].decode()}
        return Response(body, headers=headers, media_type="application/json")


def described_limits(usual: Mapping[str, int], own: Mapping[str, Any] | None) -> dict[str, Any]:
    """The figures that hold for a client: its own where it has them."""
    return {**usual, **(own or {})}


def limits_of_clients(figures: Figures) -> dict[str, int]:
    """The figures of clients that have none of their own, as they are set; 0 is no limit.

    `hour` are requests, `minute` and `burst` (10 s) those of one job and endpoint, `held` waits and streams at once.
    """
    return {
        "hour": figures.client_hour,
        "minute": figures.job_minute,
        "burst": figures.burst,
        "held": figures.held_client,
    }
