"""Signing a request."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from polling_api.signing.canonical.base import ALGORITHM, mac, signature_base
from polling_api.signing.canonical.component import component
from polling_api.signing.canonical.component_values import ComponentValues
from polling_api.signing.canonical.digest import content_digest
from polling_api.signing.canonical.request import RequestHead
from polling_api.signing.canonical.signature_input import SignatureInput
from polling_api.signing.canonical.structured import written

COVERED = ("@method", "@authority", "@path", "@query")
NONCE_BYTES = 24  # random, 32 characters: nobody's collide, whoever signs with the same key


def sign(
    request: RequestHead,
    *,
    key_id: str,
    secret: bytes,
    now: float,
    body: bytes = b"",
    also: Sequence[str] = (),
    nonce: str | None = None,
    expires: int | None = None,
    label: str = "sig1",
) -> dict[str, str]:
    """Sign a request with HMAC-SHA256.

    Args:
        request: as it will be sent. A `Content-Digest` that it has is covered, and not made anew.
        key_id: names the key.
        secret: the key's bytes.
        now: the time of the signature, Unix seconds.
        body: as it will be sent; its digest is made and covered.
        also: names of further header fields to cover.
        nonce: another than a fresh one, at least 16 characters. A nonce is good once.
        expires: when the signature ends, Unix seconds; None leaves that to the verifier.
        label: of the signature.

    Returns:
        The header fields to add: `Signature-Input`, `Signature`, and `Content-Digest` where it was made.

    Raises:
        CanonicalError: the request does not have what is to be covered.
    """
    made: dict[str, str] = {}
    if body and not request.lines("content-digest"):
        made["Content-Digest"] = content_digest(body)
        request = replace(request, headers=[*request.headers, (b"content-digest", made["Content-Digest"].encode())])
    if request.lines("content-digest"):
        also = ["content-digest", *(name for name in also if name != "content-digest")]
    parameters: dict[str, Any] = {"created": int(now), "keyid": key_id, "alg": ALGORITHM}
    parameters["nonce"] = secrets.token_urlsafe(NONCE_BYTES) if nonce is None else nonce
    if expires is not None:
        parameters["expires"] = expires
    covered = [component(name, {}) for name in (*COVERED, *also)]
    text = written([([(one.name, {}) for one in covered], parameters)])
    base = signature_base(ComponentValues(request), SignatureInput(tuple(covered), parameters, text), request.place)
    signature = base64.b64encode(mac(secret, base)).decode()
    return made | {"Signature-Input": f"{label}={text}", "Signature": f"{label}=:{signature}:"}
