"""The door of the signed set, without HTTP."""

from dataclasses import dataclass

from starlette.types import Message, Scope

from in_process.signed_requests import PATH, BurntNonces, KnownKeys, StoppedClock, signed
from polling_api.api.signers import SignersDoor
from polling_api.errors import Unavailable
from polling_api.signing.verifier import Verifier


@dataclass
class Ends:
    """What is known of the ends of keys: nothing yet, or that all have ended."""

    known: bool = False

    @property
    def stale(self) -> bool:
        return not self.known

    def ended(self, key_id: str) -> bool:  # noqa: ARG002
        if not self.known:
            raise Unavailable("It is not known yet which keys have ended.", retry_after=2)
        return True


async def test_what_was_let_in_before_any_ends_were_known_goes_on_until_they_are() -> None:
    ends = Ends()
    door = SignersDoor(Verifier(KnownKeys(), BurntNonces(), clock=StoppedClock()), ends, lambda _: None)

    admission = await door.admit(scope(), nothing)

    assert admission.doubt
    assert admission.lapsed() is None
    ends.known = True
    refusal = admission.lapsed()
    assert refusal
    assert refusal.code == "invalid_signature"


def scope() -> Scope:
    """A signed poll, as the server hands it over."""
    head = signed()
    return {
        "method": head.method,
        "path": PATH.decode(),
        "raw_path": head.raw_path,
        "query_string": head.raw_query,
        "scheme": head.scheme,
        "headers": [(b"host", head.authority.encode()), *head.headers],
    }


async def nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}
