"""A worker that tells what there is in it, at `/stand/inside`: tasks, followers of jobs, objects of ours by kind."""

import asyncio
import gc
from collections import Counter
from typing import Any

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from polling_api import logs, server
from polling_api.app.service import Service, create_app
from polling_api.ratelimit import counter
from polling_api.settings import Settings
from polling_api.watch import Topic

PATH = "/stand/inside"


class Inspected:
    """What is inside, before what is asked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope.get("path") != PATH:
            await self._app(scope, receive, send)
            return
        body = orjson.dumps(_inside())
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _inside() -> dict[str, Any]:
    gc.collect()
    objects = gc.get_objects()
    return {
        "tasks": len(asyncio.all_tasks()),
        "followers": sum(len(one.followers) for one in objects if isinstance(one, Topic)),
        "objects": Counter(type(one).__qualname__ for one in objects if _is_ours(one)),
    }


def _is_ours(one: object) -> bool:
    """Whether it is of the service; what counts for limits lasts for its hour, in tables of a bounded size."""
    module = type(one).__module__
    return module.startswith("polling_api.") and module != counter.__name__


def inspected(settings: Settings) -> Service:
    """The service with that."""
    service = create_app(settings)
    return service._replace(asgi=Inspected(service.asgi))


if __name__ == "__main__":
    logs.configure("json", "info")
    server.create_app = inspected
    server.run_worker(Settings())
