"""The canonical form of a signed request (RFC 9421), shared by who signs and who verifies.

What is in here needs the standard library and `http-sf` alone, so that a client can be built on it.
"""

from polling_api.signing.canonical.base import ALGORITHM, mac, signature_base
from polling_api.signing.canonical.component import Component
from polling_api.signing.canonical.component_values import ComponentValues
from polling_api.signing.canonical.digest import ContentDigest, DigestCheck, content_digest, read_content_digest
from polling_api.signing.canonical.errors import CanonicalError, Malformed, NotCoverable
from polling_api.signing.canonical.request import Place, RequestHead
from polling_api.signing.canonical.signature_input import SignatureInput, read_signature_inputs, read_signatures
from polling_api.signing.canonical.signer import sign

__all__ = [
    "ALGORITHM",
    "CanonicalError",
    "Component",
    "ComponentValues",
    "ContentDigest",
    "DigestCheck",
    "Malformed",
    "NotCoverable",
    "Place",
    "RequestHead",
    "SignatureInput",
    "content_digest",
    "mac",
    "read_content_digest",
    "read_signature_inputs",
    "read_signatures",
    "sign",
    "signature_base",
]
