"""Whether the service takes requests."""

import asyncio
import http.client

_LOOK_EVERY = 0.05  # seconds between two looks
_ANSWER_WITHIN = 2.0  # seconds for one answer
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is listened on, and where that is reached


async def until_ready(host: str, port: int, name: str, *, within: float) -> None:
    """Wait until `GET /health/ready` answers 200, asked under a `name` that the service answers for.

    Raises:
        TimeoutError: it did not in `within` seconds.
    """
    async with asyncio.timeout(within):
        while not await asyncio.to_thread(_is_ready, reached_at(host), port, name):  # noqa: ASYNC110 - another process
            await asyncio.sleep(_LOOK_EVERY)


def reached_at(host: str) -> str:
    """Where what listens on `host` is reached from this machine."""
    return _ANYWHERE.get(host, host)


def _is_ready(host: str, port: int, name: str) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=_ANSWER_WITHIN)
    try:
        connection.request("GET", "/health/ready", headers={"Host": name, "Connection": "close"})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
