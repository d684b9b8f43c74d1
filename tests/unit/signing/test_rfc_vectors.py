"""The examples of RFC 9421 and RFC 9530, as they stand there."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from polling_api.signing.canonical import (
    ComponentValues,
    DigestCheck,
    RequestHead,
    mac,
    read_content_digest,
    read_signature_inputs,
    read_signatures,
    signature_base,
)
from polling_api.signing.canonical.component_values import STRUCTURED

VECTORS = Path(__file__).parent / "vectors"
COMPONENTS: list[dict[str, Any]] = json.loads((VECTORS / "rfc9421-components.json").read_text())
SIGNATURES: dict[str, Any] = json.loads((VECTORS / "rfc9421-signatures.json").read_text())
DIGESTS: list[dict[str, str]] = json.loads((VECTORS / "rfc9530-digests.json").read_text())
STRUCTURED_THERE = {**STRUCTURED, "example-dict": "dictionary"}


def head(vector: dict[str, Any]) -> RequestHead:
    return RequestHead.to(vector["method"], vector["url"], [(name, value) for name, value in vector["headers"]])


@pytest.mark.parametrize("vector", COMPONENTS, ids=[vector["section"] for vector in COMPONENTS])
def test_a_component_has_the_line_that_the_rfc_gives_it(vector: dict[str, Any]) -> None:
    request = head(vector)
    identifiers = " ".join(identifier for identifier, _ in vector["components"])

    signed = read_signature_inputs([f"sig=({identifiers})".encode()])["sig"]
    values = ComponentValues(request, STRUCTURED_THERE)

    lines = [f"{identifier}: {value}" for identifier, value in vector["components"]]
    assert [values.line(one, request.place) for one in signed.components] == lines


@pytest.mark.parametrize("vector", SIGNATURES["bases"], ids=[vector["section"] for vector in SIGNATURES["bases"]])
def test_a_request_has_the_signature_base_that_the_rfc_gives_it(vector: dict[str, Any]) -> None:
    request = head(SIGNATURES["request"])

    (signed,) = read_signature_inputs([vector["input"].encode()]).values()

    base = signature_base(ComponentValues(request), signed, request.place)
    assert base.decode().split("\n") == vector["base"]


def test_hmac_sha256_gives_the_signature_of_the_rfc() -> None:
    (vector,) = [vector for vector in SIGNATURES["bases"] if "signature" in vector]
    (expected,) = read_signatures([vector["signature"].encode()]).values()

    assert mac(base64.b64decode(SIGNATURES["secret"]), "\n".join(vector["base"]).encode()) == expected


@pytest.mark.parametrize("vector", DIGESTS)
def test_a_body_has_the_digest_that_the_rfc_gives_it(vector: dict[str, str]) -> None:
    check = DigestCheck(read_content_digest([vector["field"].encode()]))

    for byte in vector["body"].encode():
        check.update(bytes([byte]))

    assert check.matches()
