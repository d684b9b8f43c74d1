"""Requests as bytes, signed and then changed on their way, as no client sends them."""

import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from polling_api.signing.canonical import RequestHead, sign
from running.raw import RawAnswer, ask
from running.signing import Credentials

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Wire:
    """One request, as it goes over the wire."""

    method: str
    target: str
    fields: Fields = ()
    body: bytes = b""

    def without(self, *names: str) -> "Wire":
        """The same without some fields, whose names are in lower case."""
        return replace(self, fields=tuple(field for field in self.fields if field[0].lower() not in names))

    def adding(self, *fields: tuple[str, str]) -> "Wire":
        """The same with further field lines."""
        return replace(self, fields=(*self.fields, *fields))

    def with_field(self, name: str, value: str) -> "Wire":
        """The same with another value of a field."""
        return self.without(name.lower()).adding((name, value))

    def field(self, name: str) -> str:
        """The value of a field that stands there once."""
        [value] = [value for known, value in self.fields if known.lower() == name.lower()]
        return value

    def encoded(self) -> bytes:
        """Its bytes. A body has its length, unless the fields say otherwise."""
        fields = self.fields
        if self.body and not any(name.lower() == "transfer-encoding" for name, _ in fields):
            fields = (*fields, ("Content-Length", str(len(self.body))))
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body

    async def sent(self, url: str) -> RawAnswer:
        """The answer of the worker at an address."""
        return await ask(port_of(url), self.encoded())


def port_of(url: str) -> int:
    """The port of a worker's address."""
    return int(url.rpartition(":")[2])


def signed(
    credentials: Credentials,
    url: str,
    target: str,
    *,
    method: str = "GET",
    body: bytes = b"",
    fields: Sequence[tuple[str, str]] = (),
    ahead: float = 0,
    **options: Any,
) -> Wire:
    """A request that a client has signed for a worker.

    Args:
        credentials: the client's.
        url: the worker's address, which is the `Host`.
        target: path and query.
        method: of HTTP.
        body: JSON.
        fields: further ones, covered where `also` names them.
        ahead: seconds by which the signature is later than now.
        options: of `signing.canonical.sign`.
    """
    host = url.removeprefix("http://")
    path, _, query = target.partition("?")
    named = [(name.lower().encode(), value.encode("latin-1")) for name, value in fields]
    head = RequestHead(method, host, path.encode(), query.encode(), "http", named)
    made = sign(
        head,
        key_id=credentials.key_id,
        secret=base64.b64decode(credentials.secret),
        now=time.time() + ahead,
        body=body,
        **options,
    )
    described = [("Content-Type", "application/json")] if body else []
    return Wire(method, target, (("Host", host), *described, *fields, *made.items()), body)
