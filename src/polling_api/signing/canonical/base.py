"""The signature base (RFC 9421, section 2.5), and the one algorithm over it."""

import hmac

from polling_api.signing.canonical.component_values import ComponentValues
from polling_api.signing.canonical.request import Place
from polling_api.signing.canonical.signature_input import SignatureInput

ALGORITHM = "hmac-sha256"


def signature_base(values: ComponentValues, signed: SignatureInput, place: Place) -> bytes:
    """What a signature is made over.

    Args:
        values: of the request.
        signed: what is covered, and the signature's parameters.
        place: where the request is sent.

    Raises:
        NotCoverable: the request does not have one of the components.
    """
    lines = [values.line(component, place) for component in signed.components]
    lines.append(f'"@signature-params": {signed.text}')
    return "\n".join(lines).encode("ascii")


def mac(secret: bytes, base: bytes) -> bytes:
    """The signature itself (section 3.3.3)."""
    return hmac.digest(secret, base, "sha256")
