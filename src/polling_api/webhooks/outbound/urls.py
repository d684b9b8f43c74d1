"""How a url has to be written for us to send to it.

A host is an address in its one plain form, or a name. What the system's resolver would take for an address as well
(`2130706433`, `0x7f.1`, `017700000001`, `127.1`) is neither: the last label of a name is never a number (WHATWG URL,
section 3.5).
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

import httpx

from polling_api.webhooks.outbound.errors import ForbiddenAddress, ForbiddenUrl
from polling_api.webhooks.outbound.networks import Address, rule_against

PLACES_KEPT = 4096  # urls whose parts are kept, some KiB each: parsing one takes as long as signing a message
LONGEST_URL = 2048  # characters; servers take no longer ones everywhere
Ports = frozenset[int] | None  # None: any

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MOST_PORT = 65_535
_LONGEST_NAME = 253  # RFC 1035
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LOOPBACK = re.compile(r"(?:.+\.)?localhost")  # RFC 6761: such a name is never another's
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a url leads.

    Attributes:
        name: the host, without a dot at its end: what the certificate is about.
        port: of TCP.
        address: the host as an address; None if it is a name.
        tls: whether it is asked over TLS.
        target: what is asked for there, percent-encoded (RFC 9112, section 3.2.1).
    """

    name: str
    port: int
    address: Address | None
    tls: bool
    target: str

    @property
    def host(self) -> str:
        """What `Host` says (RFC 9110, section 7.2)."""
        return self._bracketed if self.port == _DEFAULT_PORTS["https" if self.tls else "http"] else self.authority

    @property
    def authority(self) -> str:
        """Host and port, in the one form in which all spellings of a place are the same."""
        return f"{self._bracketed}:{self.port}"

    @property
    def _bracketed(self) -> str:
        return f"[{self.name}]" if ":" in self.name else self.name


def check_url(url: str, ports: Ports, *, allow_private: bool = False) -> None:
    """Check a url when it is given to us. Names are not resolved: what they lead to counts when something is sent.

    Args:
        url: as it was given.
        ports: those that may be sent to; None for any.
        allow_private: let addresses of loopback and of private networks through.

    Raises:
        ForbiddenUrl: by its form.
        ForbiddenAddress: its host is an address that we do not send to.
    """
    if len(url) > LONGEST_URL:
        raise ForbiddenUrl(f"The url has more than {LONGEST_URL} characters.")
    if any(not character.isprintable() or character in " \\" for character in url):
        raise ForbiddenUrl("The url has spaces, backslashes or control characters.")
    destination = destination_of(url, ports)
    if destination.address is not None:
        check_address(destination.address, allow_private=allow_private)
    elif not allow_private and _LOOPBACK.fullmatch(destination.name):
        raise ForbiddenAddress("The url's address is a loopback address.")


@lru_cache(PLACES_KEPT)
def destination_of(url: str, ports: Ports = None) -> Destination:
    """Where a url leads, in the form in which it is requested.

    Raises:
        ForbiddenUrl: it is malformed, of another scheme, or has credentials, a port that is not allowed, or a host that
            is no name or address.
    """
    try:
        return _destination(httpx.URL(url), ports)
    except httpx.InvalidURL:
        raise ForbiddenUrl("The url is malformed.") from None


def _destination(url: httpx.URL, ports: Ports) -> Destination:
    if url.scheme not in _DEFAULT_PORTS:
        raise ForbiddenUrl("Only http and https urls are sent to.")
    if url.userinfo:
        raise ForbiddenUrl("The url holds credentials.")
    port = _DEFAULT_PORTS[url.scheme] if url.port is None else url.port
    if not 0 < port <= _MOST_PORT or (ports is not None and port not in ports):
        raise ForbiddenUrl("The url's port is none that is sent to.")
    host = url.raw_host.decode("ascii")
    address = _literal(host)
    name, target = _name(host) if address is None else str(address), url.raw_path.decode("ascii")
    return Destination(name, port, address, tls=url.scheme == "https", target=target)


def check_address(address: Address, *, allow_private: bool) -> None:
    """Check an address that a url names itself.

    Raises:
        ForbiddenAddress: it is none that we send to.
    """
    reason = rule_against(address, allow_private=allow_private)
    if reason is not None:
        raise ForbiddenAddress(f"The url's address is {reason}.")


def _literal(host: str) -> Address | None:
    if "%" in host:
        raise ForbiddenUrl("The url's host has a zone, or is percent-encoded.")
    try:
        return ip_address(host)
    except ValueError:
        return None


def _name(host: str) -> str:
    name = host.removesuffix(".")
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name) or _NUMBER.fullmatch(name.rpartition(".")[2]):
        raise ForbiddenUrl("The url's host is neither a name nor an address in its plain form.")
    return name
