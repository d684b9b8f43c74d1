"""Who signed a request (RFC 9421, section 3.2): first the MAC, then the nonce."""

import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from polling_api.signing.canonical import (
    CanonicalError,
    ComponentValues,
    ContentDigest,
    RequestHead,
    mac,
    read_content_digest,
    signature_base,
)
from polling_api.signing.claims import Claim, check_claim, furthest, read_claims
from polling_api.signing.invalid import InvalidSignature, Rule
from polling_api.signing.keys import Key, Keys
from polling_api.signing.nonces import Burnt, Nonces
from polling_api.signing.places import places, public_authorities

SKEW = 300.0  # seconds
MOST_TRIED = 4  # signatures of one request whose MAC is computed: ours, and those of a few proxies


@dataclass(frozen=True, slots=True)
class Verified:
    """A request that a client signed.

    `content_digest` is what its body has to hash to (see `DigestCheck`), and None where that was not covered because
    there is none. `burnt` is what is known of the nonce: `UNSURE` where only this node can tell that it is new.
    """

    key: Key
    content_digest: ContentDigest | None
    burnt: Burnt


class Verifier:
    """Verifies signed requests.

    Args:
        keys: of the clients.
        nonces: that were used.
        skew: seconds that `created` may lie in the past or the future. Nonces have to be kept twice as long.
        authorities: names under which the service is known outside, beside the `Host` that comes in.
        clock: Unix seconds.
    """

    def __init__(
        self,
        keys: Keys,
        nonces: Nonces,
        *,
        skew: float = SKEW,
        authorities: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._nonces = nonces
        self._skew = skew
        self._public = public_authorities(authorities)
        self._clock = clock
        # What is computed with for a key that does not exist, so that it takes as long as for one that does.
        self._nobody = secrets.token_bytes(32)

    async def verify(self, request: RequestHead, *, has_body: bool) -> Verified:
        """Find the client who signed a request, and burn the signature's nonce.

        Args:
            request: as it came.
            has_body: whether it has a body, of whatever length: then its digest has to be covered.

        Raises:
            InvalidSignature: no signature of it holds. It says which rule was broken by the one that came furthest.
            Unavailable: the keys cannot be looked up now.
        """
        claim, key = await self._authentic(request, has_body=has_body)
        digest = _content_digest(request) if claim.covers_body else None
        # Only now: whoever cannot sign must not be able to use up the nonces of those who can.
        burnt = await self._nonces.burn(key.id, claim.nonce)
        if burnt is Burnt.USED:
            raise InvalidSignature(Rule.REPLAYED)
        return Verified(key, digest, burnt)

    async def _authentic(self, request: RequestHead, *, has_body: bool) -> tuple[Claim, Key]:
        now = self._clock()
        failures: list[InvalidSignature] = []
        tried, values = 0, ComponentValues(request)
        for signed, signature in read_claims(request):
            try:
                claim = check_claim(signed, signature, has_body=has_body, now=now, skew=self._skew)
            except InvalidSignature as failure:
                failures.append(failure)
                continue
            if tried == MOST_TRIED:
                break
            tried += 1
            try:
                return claim, await self._key_of(claim, request, values, now)
            except InvalidSignature as failure:
                failures.append(failure)
        raise furthest(failures)

    async def _key_of(self, claim: Claim, request: RequestHead, values: ComponentValues, now: float) -> Key:
        key = await self._keys.find(claim.key_id)
        if key is not None and not key.good(now):
            key = None
        holds = self._holds(claim, request, values, self._nobody if key is None else key.secret)
        if key is None or not holds:
            raise InvalidSignature(Rule.SIGNATURE)
        return key

    def _holds(self, claim: Claim, request: RequestHead, values: ComponentValues, secret: bytes) -> bool:
        try:
            for place in places(request.place, self._public):
                expected = mac(secret, signature_base(values, claim.signed, place))
                if hmac.compare_digest(expected, claim.signature):
                    return True
        except CanonicalError as error:
            raise InvalidSignature(Rule.COMPONENTS, str(error)) from error
        return False


def _content_digest(request: RequestHead) -> ContentDigest:
    try:
        return read_content_digest(request.lines("content-digest"))
    except CanonicalError as error:
        raise InvalidSignature(Rule.CONTENT_DIGEST, str(error)) from error
