"""Pages of other origins: which may read answers (CORS, WHATWG Fetch, section 3.2), and that others may write nothing.

Starlette's middleware is not used: it doubles `Vary`, refuses in plain text, and costs each request a wrapper, open
streams too.
"""

from collections.abc import Collection
from typing import Final

from starlette.types import Scope

from polling_api.api.allowed import OPTIONS
from polling_api.api.answers import VARY, Answer
from polling_api.api.header_lines import lines_of
from polling_api.api.requests import field, header
from polling_api.errors import Refused
from polling_api.representation import Headers

REQUEST_HEADERS: Final = (
    "Authorization, Content-Type, If-None-Match, Prefer, Idempotency-Key, Last-Event-ID, X-API-Version, "
    "X-Correlation-ID, Signature, Signature-Input, Content-Digest"
)
EXPOSED_HEADERS: Final = (
    "ETag, Location, Link, Preference-Applied, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, "
    "X-RateLimit-Reset, X-Correlation-ID, X-API-Version, X-Poll-Interval, Idempotent-Replayed, X-State-Observed, "
    "X-Served-From, Age, Deprecation, Sunset"
)
METHODS: Final = "GET, HEAD, POST, PATCH, DELETE"
REMEMBERED: Final = 7200  # seconds for which a browser need not ask again; browsers cut it to two hours

SAFE = frozenset({"GET", "HEAD", OPTIONS, "TRACE"})
_NO_CONTENT = 204


class AllowedOrigins:
    """The origins whose pages may use the service as its own pages do.

    Args:
        origins: as browsers send them, `https://example.org`; `*` among them allows all.
    """

    def __init__(self, origins: Collection[str]) -> None:
        self._all = "*" in origins
        self._origins = frozenset(origin.lower().rstrip("/").encode("latin-1") for origin in origins)

    def lines_for(self, origin: bytes) -> bytes:
        """The header lines that an answer needs for a page of this origin to read it; none where it may not."""
        return lines_of([_allowing(origin), _EXPOSED]) if self._allows(origin) else b""

    def preflight(self, origin: bytes, scope: Scope) -> Answer | None:
        """The answer to a browser's question whether a page may send a request; None where the request is no such."""
        if scope["method"] != OPTIONS or header(scope, b"access-control-request-method") is None:
            return None
        return Answer(_NO_CONTENT, [*_PREFLIGHT, VARY] if self._allows(origin) else [VARY])

    def require_writable(self, origin: bytes, scope: Scope) -> None:
        """Let a request pass unless it writes and comes from a page that is neither ours nor allowed.

        A browser sends some writes without asking first, so that not to answer its question is not enough.

        Raises:
            Refused: it does (`origin_not_allowed`).
        """
        if scope["method"] not in SAFE and not self._allows(origin) and not _is_own(origin, scope):
            raise Refused("Pages of this origin may change nothing here.", code="origin_not_allowed")

    def _allows(self, origin: bytes) -> bool:
        return self._all or origin.lower() in self._origins


_EXPOSED = (b"access-control-expose-headers", EXPOSED_HEADERS.encode())
_PREFLIGHT: Headers = [
    (b"access-control-allow-methods", METHODS.encode()),
    (b"access-control-allow-headers", REQUEST_HEADERS.encode()),
    (b"access-control-max-age", b"%d" % REMEMBERED),
]


def _allowing(origin: bytes) -> tuple[bytes, bytes]:
    return b"access-control-allow-origin", origin


def origin_of(scope: Scope) -> bytes | None:
    """The origin of the page that makes a request, None where no page does. No browser names several."""
    return field(scope, b"origin")


def _is_own(origin: bytes, scope: Scope) -> bool:
    """Whether a page came from the host it now asks, which is one that we answer for."""
    scheme, _, authority = origin.partition(b"://")
    host = (header(scope, b"host") or "").encode("latin-1")
    return scheme in {b"http", b"https"} and bool(host) and authority.lower() == host.lower()


NO_ORIGIN = AllowedOrigins([])
