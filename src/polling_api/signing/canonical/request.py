"""A request as a signature sees it: its head, in the bytes that were sent."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from polling_api.signing.canonical.errors import Malformed

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ENCODED = re.compile(r"[!-~]+")  # what a URL on the wire may consist of


class Place(NamedTuple):
    """Where a request is sent: what a node behind a proxy may see otherwise than the client wrote it."""

    scheme: str
    authority: str


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request without its body.

    `authority` is the `Host` as it came. `raw_path` and `raw_query` are the bytes of the request's line, never decoded
    or normalized: a signature over a path that was tidied up would hold for another path than the one that is
    served. `raw_query` has no `?`. The names of `headers` are in lower case, and its lines in the order they came.
    """

    method: str
    authority: str
    raw_path: bytes
    raw_query: bytes
    scheme: str
    headers: Sequence[tuple[bytes, bytes]] = ()

    @classmethod
    def to(cls, method: str, url: str, headers: Sequence[tuple[str, str]] = ()) -> "RequestHead":
        """The head of a request that is about to be sent.

        Args:
            method: in upper case.
            url: absolute, and encoded as it will be sent.
            headers: those that are to be covered.

        Raises:
            Malformed: the URL is not absolute, or not encoded.
        """
        if not _ENCODED.fullmatch(url):
            raise Malformed("The URL has characters that have to be percent-encoded.")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise Malformed("The URL cannot be read.") from error
        if not parts.scheme or not parts.hostname:
            raise Malformed("The URL is not absolute.")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        default = port is None or port == _DEFAULT_PORTS.get(parts.scheme)
        return cls(
            method=method,
            authority=host if default else f"{host}:{port}",
            raw_path=parts.path.encode() or b"/",
            raw_query=parts.query.encode(),
            scheme=parts.scheme,
            headers=[(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        )

    @property
    def place(self) -> Place:
        """Where it was sent, as far as it says so itself."""
        return Place(self.scheme.lower(), self.authority.lower())

    def lines(self, name: str) -> list[bytes]:
        """The values of all lines of a header field, in order; empty where there is none.

        Args:
            name: in lower case.
        """
        wanted = name.encode("latin-1")
        return [value for known, value in self.headers if known == wanted]
