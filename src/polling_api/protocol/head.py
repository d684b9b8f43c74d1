"""What the head of a request must be (RFC 9110, RFC 9112), beyond what the parser checks. Pure."""

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote

from polling_api.api.hosts import AUTHORITY
from polling_api.errors import BadRequest, HeadTooLarge, PollingError, TargetTooLong, Unimplemented, UnknownVersion

MOST_HEAD = 32 * 1024  # bytes: the contract's bound
MOST_TARGET = 16 * 1024  # bytes: a hundred ids take 4 KiB, and RFC 9112 asks for 8,000 at least

Fields = Sequence[tuple[bytes, bytes]]

_VERSIONS = ("1.0", "1.1")
_FIELD_EXTRA = len(b": \r\n")
_ABSOLUTE = re.compile(rb"https?://([^/?#@]*)((?:[/?][^#]*)?)", re.IGNORECASE)
_ENCODED_SLASH = re.compile("%2f", re.IGNORECASE)
_UNKNOWN_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ ")
_VERSION_COMPLAINTS = {"Invalid HTTP version", "Pause on PRI/Upgrade"}


class Framing(NamedTuple):
    """What the fields say of the request beside their own meaning.

    `host` is None where there is none, which HTTP/1.0 allows; `body` is the field line that says where the body ends,
    and empty where there is none.
    """

    host: bytes | None
    body: bytes


class Target(NamedTuple):
    """What is asked for. `authority` is that of an absolute target, which counts more than `Host`."""

    raw_path: bytes
    query: bytes
    authority: bytes | None

    @property
    def path(self) -> str:
        """The path, decoded, but for `%2F`.

        A slash that was encoded belongs to a segment. Decoded, it would become a border between two, and lead to
        another route than the one that was asked for.
        """
        path = self.raw_path.decode("latin-1")
        return unquote(_ENCODED_SLASH.sub("%252F", path)) if "%" in path else path


def check_version(version: str) -> None:
    """Take HTTP/1.0 and 1.1.

    Raises:
        UnknownVersion: it is another.
    """
    if version not in _VERSIONS:
        raise UnknownVersion(f"HTTP/{version} is not spoken here; HTTP/1.1 is.")


def check_fields(fields: Fields, target_size: int, version: str) -> Framing:
    """Check what all of the header fields say together.

    Args:
        fields: names in lower case, with values, in the order they came.
        target_size: of the request line's target, in bytes.
        version: of HTTP.

    Raises:
        HeadTooLarge: the head has more than 32 KiB.
        BadRequest: `Host` is missing, doubled or none; where the body ends cannot be told.
        Unimplemented: the body has a transfer coding that is not spoken here.
    """
    size, body = target_size, b""
    hosts: list[bytes] = []
    for name, value in fields:
        size += len(name) + len(value) + _FIELD_EXTRA
        if name == b"host":
            hosts.append(value)
        elif name == b"content-length":
            body = b"content-length: " + value
        elif name == b"transfer-encoding":
            body = _transfer_coding(value, version)
    if size > MOST_HEAD:
        raise head_too_large()
    return Framing(_one_host(hosts, version), b"" if body == b"content-length: 0" else body)


def check_host(host: bytes) -> None:
    """Check the form of a `Host` or of a target's authority.

    Raises:
        BadRequest: it is no host and port.
    """
    if not AUTHORITY.fullmatch(host.decode("latin-1")):
        raise BadRequest("`Host` is no host name or address with an optional port.")


def read_target(method: str, target: bytes) -> Target:
    """Read a request target in origin, absolute or asterisk form (RFC 9112, section 3.2).

    Raises:
        BadRequest: it is in none of them.
        TargetTooLong: it has more than 16 KiB.
        Unimplemented: the method is CONNECT.
    """
    if len(target) > MOST_TARGET:
        raise TargetTooLong(f"The request's target has more than {MOST_TARGET} bytes.")
    if method == "CONNECT":
        raise Unimplemented("This service is no proxy: CONNECT is not spoken here.")
    authority: bytes | None = None
    if target[:1] != b"/" and (target, method) != (b"*", "OPTIONS"):
        found = _ABSOLUTE.fullmatch(target)
        if found is None:
            raise BadRequest("The request's target is neither a path nor an http address.")
        authority, rest = found.groups()
        target = rest if rest[:1] == b"/" else b"/" + rest
    if b"#" in target:
        raise BadRequest("The request's target has a fragment, which is never sent.")
    raw_path, _, query = target.partition(b"?")
    return Target(raw_path, query, authority)


def unreadable(reason: str, method: bytes = b"") -> PollingError:
    """What to tell of bytes that the parser refused.

    Args:
        reason: the parser's.
        method: what begins with the method that it stopped at, if it did.
    """
    if reason in _VERSION_COMPLAINTS:
        return UnknownVersion("This version of HTTP is not spoken here; HTTP/1.1 is.")
    if _UNKNOWN_METHOD.match(method):
        return Unimplemented("No resource here knows this method.")
    return BadRequest(f"The request is not HTTP/1.1 (RFC 9112): {reason}.")


def head_too_large() -> HeadTooLarge:
    """The refusal of a head that is over its bound."""
    return HeadTooLarge(f"The request's head has more than {MOST_HEAD} bytes.")


def _transfer_coding(value: bytes, version: str) -> bytes:
    if version == "1.0":
        raise BadRequest("`Transfer-Encoding` has no meaning in HTTP/1.0, so the body's end cannot be told.")
    codings = [coding.strip().lower() for coding in value.split(b",")]
    if codings[-1] != b"chunked":
        raise BadRequest("`Transfer-Encoding` does not end with `chunked`, so the body's end cannot be told.")
    if len(codings) > 1:
        raise Unimplemented("`chunked` is the only transfer coding that is spoken here.")
    return b"transfer-encoding: chunked"


def _one_host(hosts: Sequence[bytes], version: str) -> bytes | None:
    if len(hosts) == 1:
        return hosts[0]
    if hosts or version != "1.0":
        raise BadRequest("A request has exactly one `Host`.")
    return None
