"""What a request's signatures claim, and the rules that a claim has to keep before anything is computed. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from polling_api.signing.canonical import (
    ALGORITHM,
    Malformed,
    NotCoverable,
    RequestHead,
    SignatureInput,
    read_signature_inputs,
    read_signatures,
)
from polling_api.signing.invalid import InvalidSignature, Rule

REQUIRED = ("@method", "@authority", "@path", "@query")
LEAST_NONCE, MOST_NONCE = 16, 128  # characters
MOST_KEY_ID = 128  # characters: ours have 36, and a look-up of 8 KiB is not worth making


@dataclass(frozen=True, slots=True)
class Claim:
    """A signature that keeps all rules but the one that needs its key."""

    signed: SignatureInput
    signature: bytes
    key_id: str
    nonce: str

    @property
    def covers_body(self) -> bool:
        """Whether the digest of a body is among what is signed."""
        return _covers_body(self.signed)


def read_claims(request: RequestHead) -> list[tuple[SignatureInput, bytes]]:
    """The signatures of a request, each with what it says of itself, in the order they came.

    Raises:
        InvalidSignature: there are none, or they cannot be read.
    """
    inputs, signatures = request.lines("signature-input"), request.lines("signature")
    if not inputs or not signatures:
        raise InvalidSignature(Rule.MISSING)
    try:
        read, values = read_signature_inputs(inputs), read_signatures(signatures)
    except Malformed as error:
        raise InvalidSignature(Rule.MALFORMED, str(error)) from error
    except NotCoverable as error:
        raise InvalidSignature(Rule.COMPONENTS, str(error)) from error
    pairs = [(signed, values[label]) for label, signed in read.items() if label in values]
    if not pairs:
        raise InvalidSignature(Rule.MISSING)
    return pairs


def check_claim(signed: SignatureInput, signature: bytes, *, has_body: bool, now: float, skew: float) -> Claim:
    """Hold what a signature says of itself against the rules.

    Args:
        signed: what it says.
        signature: its value.
        has_body: whether the request has one, which has to be covered then.
        now: Unix seconds.
        skew: seconds that `created` may lie in the past or the future; `expires` has none.

    Raises:
        InvalidSignature: the first rule that it breaks.
    """
    said = signed.parameters
    if said.get("alg", ALGORITHM) != ALGORITHM:
        raise InvalidSignature(Rule.ALGORITHM)
    _check_components(signed, has_body=has_body)
    key_id, nonce = said.get("keyid"), said.get("nonce")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= MOST_KEY_ID:
        raise InvalidSignature(Rule.KEY_ID)
    if not isinstance(nonce, str) or not LEAST_NONCE <= len(nonce) <= MOST_NONCE:
        raise InvalidSignature(Rule.NONCE)
    _check_times(said, now, skew)
    return Claim(signed, signature, key_id, nonce)


def furthest(failures: Iterable[InvalidSignature]) -> InvalidSignature:
    """Of the reasons why each of several signatures is refused, the one to tell."""
    return max(failures, key=lambda failure: failure.reached)


def _check_components(signed: SignatureInput, *, has_body: bool) -> None:
    # None of the required ones can have a parameter: see `component`.
    covered = {component.name for component in signed.components}
    if not covered.issuperset(REQUIRED) or (has_body and not _covers_body(signed)):
        raise InvalidSignature(Rule.COMPONENTS)


def _covers_body(signed: SignatureInput) -> bool:
    # With `key` only one of its digests is covered, and the others would be whatever somebody else wrote.
    return any(component.name == "content-digest" and component.whole for component in signed.components)


def _check_times(said: Mapping[str, Any], now: float, skew: float) -> None:
    created, expires = said.get("created"), said.get("expires")
    # Not rounded: a signature is good for twice the skew to the instant, and a nonce is not kept any longer.
    if type(created) is not int or abs(now - created) > skew:
        raise InvalidSignature(Rule.CREATED)
    if "expires" in said and (type(expires) is not int or expires <= now):
        raise InvalidSignature(Rule.EXPIRES)
