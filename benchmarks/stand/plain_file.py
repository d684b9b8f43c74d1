"""The least that a download costs: a file, sent in pieces by plain ASGI on the same server."""

import sys
from pathlib import Path
from typing import Any

import uvicorn

PIECE = 64 * 1024
FILE = Path(sys.argv[2])


async def app(scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] != "/ready":
        with FILE.open("rb") as file:  # noqa: ASYNC230 - it is in memory
            while piece := file.read(PIECE):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
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
