"""The least that an answer costs: plain ASGI on the same server, with the headers of a `304` of ours."""

import sys
from typing import Any

import uvicorn

HEADERS = [
    (b"etag", b'W/"4-0123456789abcdef"'),
    (b"x-poll-interval", b"30"),
    (b"cache-control", b"private, max-age=30"),
    (b"vary", b"Accept, Accept-Encoding, Authorization, Prefer, X-API-Version, Origin"),
    (b"x-correlation-id", b"0123456789abcdef0123456789abcdef"),
    (b"x-api-version", b"2026-11-23"),
]


async def app(scope: Any, _receive: Any, send: Any) -> None:
    status = 200 if scope["path"] == "/ready" else 304
    await send({"type": "http.response.start", "status": status, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )
