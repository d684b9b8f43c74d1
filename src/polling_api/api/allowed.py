"""Which methods an address knows: asked by `OPTIONS`, and told with every `405` (RFC 9110, section 10.2.1)."""

from collections.abc import Sequence

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute

from polling_api.api.answers import NO_STORE, VARY, Answer

OPTIONS = "OPTIONS"
WHOLE_SERVICE = "*"  # what `OPTIONS *` asks about
_NO_CONTENT = 204


def allowed_methods(routes: Sequence[BaseRoute], path: str) -> bytes:
    """The value of `Allow` for an address, from all of the routes that fit it.

    Starlette names those of the first one alone, and an address's methods lie in several.
    """
    methods = {OPTIONS}
    for route in iter_route_contexts(routes):
        if route.methods and route.path_regex.match(path):
            methods |= route.methods
    return ", ".join(sorted(methods)).encode()


def options(allow: bytes) -> Answer:
    """The answer to `OPTIONS`."""
    return Answer(_NO_CONTENT, [(b"allow", allow), NO_STORE, VARY])
