"""The least that an answer costs: plain ASGI on the same server, with headers as many and a body as long as ours.

`/304` and `/200` answer at once; `/events/…` and `/wait/…` are held until something is posted to `/publish/…`, which is
written to all who are held there by whoever posts it: no task, no queue, no encoding.
"""

import sys
from collections import defaultdict
from typing import Any

import uvicorn

HEADERS = [
    (b"date", b"Mon, 23 Nov 2026 09:00:00 GMT"),
    (b"etag", b'W/"4-0123456789abcdef"'),
    (b"x-poll-interval", b"30"),
    (b"cache-control", b"private, max-age=30"),
    (b"vary", b"Accept, Accept-Encoding, Authorization, Prefer, X-API-Version, Origin"),
    (b"x-correlation-id", b"0123456789abcdef0123456789abcdef"),
    (b"x-api-version", b"2026-11-23"),
    (b"x-ratelimit-limit", b"1000000000"),
    (b"x-ratelimit-remaining", b"999999999"),
    (b"x-ratelimit-reset", b"1795426800"),
]
BODY = b'{"object":"job","id":"job_0123456789abcdef0123456789abcdef","version":1,"padding":"' + b"x" * 700 + b'"}'
WHOLE = [*HEADERS, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]
STREAMED = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]

_holding: dict[str, set[Any]] = defaultdict(set)


async def app(scope: Any, receive: Any, send: Any) -> None:
    _, kind, *_ = scope["path"].split("/")
    if kind in {"events", "wait"}:
        await hold(scope["path"][1:], kind, receive, send)
    elif kind == "publish":
        await publish(scope["path"].removeprefix("/publish/"), receive, send)
    elif kind == "304":
        await answer(send, 304, HEADERS, b"")
    else:
        await answer(send, 200, WHOLE, BODY)


async def answer(send: Any, status: int, headers: Any, body: bytes, *, more: bool = False) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def hold(topic: str, kind: str, receive: Any, send: Any) -> None:
    if kind == "events":
        await answer(send, 200, STREAMED, b"event: job\ndata: %b\n\n" % BODY, more=True)
    _holding[topic].add(send)
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        _holding[topic].discard(send)


async def publish(topic: str, receive: Any, send: Any) -> None:
    """Write what is posted to all who are held; the topic is the path of those, as `events/1`."""
    told = (await receive())["body"]
    event = {"type": "http.response.body", "body": b"event: job\ndata: %b\n\n" % told, "more_body": True}
    whole = [*HEADERS, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(told))]
    for held in list(_holding[topic]):
        if topic.startswith("events"):
            await held(event)
        else:
            _holding[topic].discard(held)
            await answer(held, 200, whole, told)
    await answer(send, 200, [(b"content-length", b"0")], b"")


def held(topic: str) -> int:
    """How many are held."""
    return len(_holding[topic])


def serve(application: Any, port: int) -> None:
    """Run an application as the service runs its own: same loop, parser and settings."""
    uvicorn.run(
        application,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=4096,
        timeout_keep_alive=65,
    )


if __name__ == "__main__":
    serve(app, int(sys.argv[1]))
