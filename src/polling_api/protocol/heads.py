"""Requests that were parsed and checked already, by their exact bytes.

A client that polls sends the same bytes again and again. What they say is the same each time, whoever sends them and
whenever: so they are parsed once, and found after that. What becomes of them is decided each time anew.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from polling_api.api.requests import ASKED, Asked

LONGEST = 4096  # bytes: a browser's head with a token of a hundred jobs fits
MOST = 32 * 1024 * 1024  # bytes in all: the heads of ten thousand clients, as they send them

# Of a scope: what the bytes of a request say of it, and nothing of the connection that they came on.
_SAID = ("type", "asgi", "http_version", "method", "path", "raw_path", "query_string", "root_path", "headers")
# Of what has one of these there is more to read than its head, or no second time that it is good for.
_NEVER = frozenset({b"content-length", b"transfer-encoding", b"upgrade", b"expect", b"signature"})
_READS = frozenset({"GET", "HEAD"})


class Heads:
    """Requests without a body, as scopes; those that were not asked for longest make room.

    Args:
        most: bytes that they may take together.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._size = 0
        self._scopes: OrderedDict[bytes, dict[str, Any]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._scopes)

    def find(self, request: bytes) -> dict[str, Any] | None:
        """A new scope for a request, but for its connection; None where it is not known."""
        scope = self._scopes.get(request)
        if scope is None:
            return None
        self._scopes.move_to_end(request)
        return scope.copy()

    def keep(self, request: bytes, scope: Mapping[str, Any]) -> None:
        """Keep a request that was found in order, and after which its connection goes on; long ones are not kept.

        Args:
            request: all of its bytes.
            scope: what was made of them.
        """
        if len(request) > LONGEST or scope["method"] not in _READS or request in self._scopes:
            return
        asked = Asked(scope["headers"])
        if not _NEVER.isdisjoint(asked.fields):
            return
        self._scopes[request] = {**{name: scope[name] for name in _SAID}, ASKED: asked}
        self._size += _size(request, scope)
        while self._size > self._most:
            self._size -= _size(*self._scopes.popitem(last=False))


def _size(request: bytes, scope: Mapping[str, Any]) -> int:
    """What a kept request takes, in bytes: itself, its parts, and for each field two objects and their places."""
    return 1500 + 2 * len(request) + 200 * len(scope["headers"])
