"""Requests that were parsed and checked already, by their exact bytes.

A client that polls sends the same bytes again and again. What they say is the same each time, whoever sends them and
whenever: so they are parsed once, and found after that. What becomes of them is decided each time anew.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from polling_api.api.requests import ASKED, Asked

LONGEST = 4096  # bytes: a browser's head with a token of a hundred jobs fits
MOST = 32 * 1024 * 1024  # bytes in all: the heads of ten thousand clients, as they send them
KEPT_FOR = 120.0  # seconds, and twice that at most where others come, after they were asked last: polls come every 30

# Of a scope: what the bytes of a request say of it, and nothing of the connection that they came on.
_SAID = ("type", "asgi", "http_version", "method", "path", "raw_path", "query_string", "root_path", "headers")
# Of what has one of these there is more to read than its head, or no second time that it is good for.
_NEVER = frozenset({b"content-length", b"transfer-encoding", b"upgrade", b"expect", b"signature"})
_READS = frozenset({"GET", "HEAD"})


class Heads:
    """Requests without a body, as scopes; those that were not asked for a while make room.

    They are of two generations. What is asked belongs to the young one. When that is half of what may be kept, or two
    minutes old, it becomes the old one, and what was in that and was not asked since is dropped.

    Args:
        most: bytes that they may take together.
        clock: seconds.
    """

    def __init__(self, most: int = MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_young = most // 2
        self._clock = clock
        self._young: dict[bytes, dict[str, Any]] = {}
        self._old: dict[bytes, dict[str, Any]] = {}
        self._size = 0  # of the young
        self._ends = clock() + KEPT_FOR

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def find(self, request: bytes) -> dict[str, Any] | None:
        """A new scope for a request, but for its connection; None where it is not known."""
        scope = self._young.get(request)
        if scope is None:
            scope = self._old.pop(request, None)
            if scope is None:
                return None
            self._take(request, scope)
        return scope.copy()

    def keep(self, request: bytes, scope: Mapping[str, Any]) -> None:
        """Keep a request that was found in order, and after which its connection goes on; long ones are not kept.

        Args:
            request: all of its bytes.
            scope: what was made of them.
        """
        if len(request) > LONGEST or scope["method"] not in _READS or request in self._young:
            return
        asked = Asked(scope["headers"], shared=True)
        if not _NEVER.isdisjoint(asked.fields):
            return
        self._take(request, {**{name: scope[name] for name in _SAID}, ASKED: asked})

    def _take(self, request: bytes, scope: dict[str, Any]) -> None:
        size = _room_of(request, scope)
        if self._size + size > self._most_young or self._clock() >= self._ends:
            self._old, self._young, self._size = self._young, {}, 0
            self._ends = self._clock() + KEPT_FOR
        if size <= self._most_young:
            self._young[request] = scope
            self._size += size


def _room_of(request: bytes, scope: Mapping[str, Any]) -> int:
    """What a kept request takes, in bytes: itself, its parts, and for each field two objects and their places."""
    return 1500 + 2 * len(request) + 200 * len(scope["headers"])
