"""What operators and load balancers ask: alive, ready, and the metrics."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson
from fastapi import APIRouter
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response

from polling_api.api import documents
from polling_api.api.held import Holding
from polling_api.logs import mask
from polling_api.metrics import whole

CHECK_WITHIN = 1.0  # seconds; load balancers give up after a few

Check = Callable[[], Awaitable[None]]


class Operations:
    """Answers for operations.

    Args:
        holding: knows whether the process is draining.
        needed: parts without which nothing can be promised; each check raises an error that says what is wrong.
        wanted: parts without which the service goes on, slower.
        warnings: what an operator should know, though nothing is away.
        circuits: the states of the circuit breakers by name.
    """

    def __init__(
        self,
        holding: Holding,
        *,
        needed: Mapping[str, Check],
        wanted: Mapping[str, Check],
        warnings: Callable[[], Sequence[str]],
        circuits: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._holding = holding
        self._needed = needed
        self._wanted = wanted
        self._warnings = warnings
        self._circuits = circuits

    async def live(self) -> Response:
        """The process answers: a restart would not help."""
        return _json(200, {"status": "live"})

    async def ready(self) -> Response:
        """Whether new requests should be sent here, and how each part is."""
        needed, wanted = await asyncio.gather(_all(self._needed), _all(self._wanted))
        told = {"parts": needed | wanted, "circuits": {**self._circuits()}}
        if self._holding.draining:
            return _json(503, {"status": "draining", **told})
        if any(part["status"] != "ok" for part in needed.values()):
            return _json(503, {"status": "unavailable", **told})
        degraded = any(part["status"] != "ok" for part in wanted.values())
        status = "degraded" if degraded else "ready"
        return _json(200, {"status": status, **told, "warnings": [*self._warnings()]})

    async def metrics(self, request: Request) -> Response:
        """All metrics, as OpenMetrics or in Prometheus' older text format."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(whole()), headers={"content-type": content_type, "cache-control": "no-store"})


async def _all(checks: Mapping[str, Check]) -> dict[str, dict[str, Any]]:
    states = await asyncio.gather(*(_state(check) for check in checks.values()))
    return dict(zip(checks, states, strict=True))


async def _state(check: Check) -> dict[str, Any]:
    checking = asyncio.ensure_future(check())
    # Not awaited any longer than that: a check that is cancelled may itself wait for the part that does not answer.
    await asyncio.wait([checking], timeout=CHECK_WITHIN)
    if not checking.done():
        checking.cancel()
        return {"status": "down", "reason": f"no answer within {CHECK_WITHIN:g} s"}
    error = checking.exception()
    if error is not None:
        return {"status": "down", "reason": mask(str(error)) or type(error).__name__}
    return {"status": "ok"}


def _json(status: int, document: dict[str, Any]) -> Response:
    headers = {"cache-control": "no-store"}
    return Response(orjson.dumps(document), status, headers=headers, media_type="application/json")


def operations_router(operations: Operations) -> APIRouter:
    """The routes of what operators ask."""
    router = APIRouter(tags=["operations"])
    for path, endpoint, summary, answers in (
        ("/health/live", operations.live, "Is the process alive?", documents.LIVE),
        ("/health/ready", operations.ready, "Should requests be sent here?", documents.READY),
        ("/metrics", operations.metrics, "Metrics", documents.METRICS),
    ):
        router.add_api_route(
            path, endpoint, methods=["GET", "HEAD"], summary=summary, responses=answers, response_class=Response
        )
    return router
