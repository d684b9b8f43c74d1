"""Signed requests without HTTP: a client's key, what a verifier asks, and signatures that say whatever a test wants."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import http_sf

from polling_api.signing.canonical import (
    ComponentValues,
    RequestHead,
    mac,
    read_signature_inputs,
    signature_base,
)
from polling_api.signing.keys import Key
from polling_api.signing.nonces import Burnt

NOW = 1_795_600_000.0
PATH = b"/api/v1/batch-status/job_00000000000000000000000000000000"
POLL = RequestHead("GET", "node-7:8000", PATH, b"wait=30&fields=status", "http", [(b"accept", b"*/*")])

OURS = Key("key_1", "client_1", b"1" * 32)
ENDED = Key("key_ended", "client_1", b"2" * 32, ends_at=datetime.fromtimestamp(NOW, UTC))

COVERED = ('"@method"', '"@authority"', '"@path"', '"@query"')
SAID: Mapping[str, Any] = {
    "created": int(NOW),
    "keyid": OURS.id,
    "alg": "hmac-sha256",
    "nonce": "n" * 32,
}


@dataclass
class KnownKeys:
    """Keys in memory, and which were asked for."""

    known: dict[str, Key] = field(default_factory=lambda: {key.id: key for key in (OURS, ENDED)})
    asked: list[str] = field(default_factory=list[str])

    async def find(self, key_id: str) -> Key | None:
        self.asked.append(key_id)
        return self.known.get(key_id)


@dataclass
class BurntNonces:
    """Nonces in memory, in the order they were burnt; `away` is as if only this node could be asked."""

    burnt: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    away: bool = False

    async def burn(self, key_id: str, nonce: str) -> Burnt:
        if (key_id, nonce) in self.burnt:
            return Burnt.USED
        self.burnt.append((key_id, nonce))
        return Burnt.UNSURE if self.away else Burnt.FRESH


@dataclass
class StoppedClock:
    """A clock that goes on when it is told to."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


def with_fields(request: RequestHead, fields: Mapping[str, str]) -> RequestHead:
    """A request with further header fields."""
    added = [(name.lower().encode(), value.encode("latin-1")) for name, value in fields.items()]
    return replace(request, headers=[*request.headers, *added])


def without_fields(request: RequestHead, *names: bytes) -> RequestHead:
    """A request without these header fields."""
    return replace(request, headers=[(name, value) for name, value in request.headers if name not in names])


def signature(
    request: RequestHead,
    *,
    covered: Sequence[str] = COVERED,
    said: Mapping[str, Any] = SAID,
    secret: bytes = OURS.secret,
    label: str = "sig1",
) -> dict[str, str]:
    """The fields of a signature over these identifiers, whatever it says of itself. What is None is left out."""
    parameters = {name: value for name, value in said.items() if value is not None}
    written = "".join(f";{name}={http_sf.ser((value, {}))}" for name, value in parameters.items())
    text = f"{label}=({' '.join(covered)}){written}"
    read = read_signature_inputs([text.encode()])[label]
    made = mac(secret, signature_base(ComponentValues(request), read, request.place))
    return {"Signature-Input": text, "Signature": f"{label}=:{base64.b64encode(made).decode()}:"}


def signed(request: RequestHead = POLL, **changed: Any) -> RequestHead:
    """A request with the signature that `signature` makes."""
    return with_fields(request, signature(request, **changed))
