"""`http-message-signatures`, which others may sign with: what it signs holds here, and the other way round."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from http_message_signatures._algorithms import HMAC_SHA256
from http_message_signatures.resolvers import HTTPSignatureKeyResolver
from http_message_signatures.signatures import HTTPMessageSigner, HTTPMessageVerifier

from in_process.signed_requests import NOW, OURS, with_fields
from polling_api.signing.canonical import RequestHead, content_digest, sign
from polling_api.signing.verifier import Verifier

BODY = b'{"requests":[]}'
COVERED = ("@method", "@authority", "@path", "@query")


@dataclass
class Message:
    """A request as that library wants it."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def head(self) -> RequestHead:
        """The same as we see it."""
        return RequestHead.to(self.method, self.url, list(self.headers.items()))


class Resolver(HTTPSignatureKeyResolver):
    def resolve_public_key(self, key_id: str) -> bytes | None:
        return OURS.secret if key_id == OURS.id else None

    def resolve_private_key(self, key_id: str) -> bytes:
        return {OURS.id: OURS.secret, "elsewhere": b"another's"}[key_id]


@pytest.fixture
def their_signer() -> Any:
    return HTTPMessageSigner(signature_algorithm=HMAC_SHA256, key_resolver=Resolver())


@pytest.fixture
def their_verifier() -> Any:
    return HTTPMessageVerifier(signature_algorithm=HMAC_SHA256, key_resolver=Resolver())


URLS = [
    "http://127.0.0.1:8000/api/v1/batch-status/job_1?wait=30&until=terminal",
    "http://127.0.0.1:8000/api/v1/batch-status",
    "https://Polling.Example/api/v1/%6Aob%2F_1?a=%20+b&a=2",
    "http://polling.example:80/?",
    "https://[::1]:8443",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("include_alg", [True, False])
async def test_what_it_signs_holds_here(their_signer: Any, verifier: Verifier, url: str, *, include_alg: bool) -> None:
    message = Message("GET", url)
    their_signer.sign(
        message,
        key_id=OURS.id,
        created=datetime.fromtimestamp(NOW, UTC),
        expires=datetime.fromtimestamp(NOW + 60, UTC),
        nonce="n" * 32,
        tag="their-app",
        include_alg=include_alg,
        covered_component_ids=COVERED,
    )

    assert (await verifier.verify(message.head(), has_body=False)).key == OURS


@pytest.mark.parametrize(
    "also",
    [
        ("@target-uri", "@scheme", "@request-target"),
        ('"@query-param";name="a"', '"x-some";bs', '"x-members";key="b"', "x-some"),
        ('"content-digest";sf', "content-type", "content-digest"),
    ],
)
async def test_what_it_signs_beyond_what_has_to_be_holds_here(
    their_signer: Any, verifier: Verifier, also: tuple[str, ...]
) -> None:
    headers = {
        "Content-Type": "application/json",
        "Content-Digest": content_digest(BODY),
        "X-Some": " a,  b ",
        "X-Members": "a=1,   b=(1 2);c",
    }
    message = Message("POST", "http://127.0.0.1:8000/api/v1/batch-status?a=%C3%A9+b~", headers)
    their_signer.sign(
        message,
        key_id=OURS.id,
        created=datetime.fromtimestamp(NOW, UTC),
        nonce="n" * 32,
        covered_component_ids=(*COVERED, *also),
        body=BODY,
        use_existing_digest=True,
    )

    assert (await verifier.verify(message.head(), has_body=True)).content_digest is not None


@pytest.mark.parametrize("url", URLS)
def test_what_we_sign_holds_there(their_verifier: Any, url: str) -> None:
    request = RequestHead.to("POST", url)
    fields = sign(request, key_id=OURS.id, secret=OURS.secret, now=datetime.now(UTC).timestamp(), body=BODY)

    (result,) = their_verifier.verify(
        Message("POST", url, fields),
        max_age=timedelta(seconds=300),
        require_components=(*COVERED, "content-digest"),
        body=BODY,
    )

    assert result.label == "sig1"
    assert result.parameters["keyid"] == OURS.id
    assert len(result.nonce) >= 16


async def test_both_may_sign_one_request(their_signer: Any, verifier: Verifier) -> None:
    message = Message("GET", URLS[0])
    their_signer.sign(message, key_id="elsewhere", covered_component_ids=COVERED, label="theirs", nonce="n" * 32)
    ours = sign(message.head(), key_id=OURS.id, secret=OURS.secret, now=NOW)

    request = replace(message.head(), headers=())

    assert (await verifier.verify(with_fields(with_fields(request, message.headers), ours), has_body=False)).key == OURS
