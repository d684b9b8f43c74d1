"""Requests that were parsed and checked already, by their exact bytes.

A client that polls sends the same bytes again and again. What they say is the same each time, whoever sends them and
whenever: so they are parsed once, and found after that. What becomes of them is decided each time anew.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from polling_api.api.requests import ASKED, Asked

LONGEST = 4096  # bytes: a browser's head with a token of a hundred jobs fits
MOST = 8192  # heads, of some 3 KiB as clients send them: 24 MiB, and at worst, with nothing but long ones, 130

# Of a scope: what the bytes of a request say of it, and nothing of the connection that they came on.
_SAID = ("type", "asgi", "http_version", "method", "path", "raw_path", "query_string", "root_path", "headers")
# Of what has one of these there is more to read than its head, or no second time that it is good for.
_NEVER = frozenset({b"content-length", b"transfer-encoding", b"upgrade", b"expect", b"signature"})
_READS = frozenset({"GET", "HEAD"})


class Heads:
    """Requests without a body, as scopes; those that were not asked for longest make room.

    Args:
        most: how many are kept.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
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
        asked = Asked(scope["headers"])
        if len(request) <= LONGEST and scope["method"] in _READS and _NEVER.isdisjoint(asked.fields):
            self._scopes[request] = {**{name: scope[name] for name in _SAID}, ASKED: asked}
            if len(self._scopes) > self._most:
                self._scopes.popitem(last=False)
