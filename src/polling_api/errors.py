"""Every error that a caller may be told, as a small tree.

    PollingError
    ├── BadRequest            the request cannot be read                     400
    │   └── Invalid           it can be read, and breaks a rule              422
    ├── Unauthenticated       nobody knows who is calling                    401
    ├── NotFound              no such job, or not the caller's               404
    ├── Conflict              right request, wrong moment                    409
    ├── Changed               not what the caller has an entity tag of       412
    ├── Gone                  it was there, and was deleted by plan          410
    ├── Refused               understood, and not allowed                    403
    ├── TooLarge              over a bound on bodies                         413
    ├── Unsupported           a media type that is not spoken here           415
    ├── TooMany               over a limit, or shut out for some time        429
    ├── NotAcceptable         none of the media types asked for              406
    ├── Misdirected           sent to a host that this service is not        421
    ├── TooSlow               the request did not come within its time       408
    ├── TargetTooLong         over the bound on a request's target           414
    ├── HeadTooLarge          over the bound on a request's head             431
    ├── Unimplemented         a part of HTTP that is not spoken here         501
    ├── UnknownVersion        another version of HTTP                        505
    └── Unavailable           a part that is needed does not answer          503

Only `api/problems.py` knows the HTTP statuses on the right.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One broken rule of a body or query, for the `errors` member of a problem.

    `pointer` says where: a JSON Pointer (RFC 6901) into the body, `line N` of a line format, or `?name`.
    """

    pointer: str
    message: str


class PollingError(Exception):
    """Base of all errors that are told to a caller.

    Args:
        detail: one sentence for a person, about this occurrence.
        code: stable name for programs; each has a page on the service.
        errors: the broken rules, field by field.
        retry_after: seconds after which the same request may succeed.
        challenges: header fields that say what would do: which credentials (RFC 9110, section 11.6.1), which coding.
    """

    code = "internal"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        errors: Sequence[FieldError] = (),
        retry_after: int | None = None,
        challenges: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.errors = tuple(errors)
        self.retry_after = retry_after
        self.challenges = tuple(challenges)


class BadRequest(PollingError):
    """The request cannot be read: malformed JSON, a bad cursor, a bad header."""

    code = "bad_request"


class Invalid(BadRequest):
    """The request can be read, and breaks a rule of the contract."""

    code = "invalid_request"


class Unauthenticated(PollingError):
    """The credentials are missing, wrong or over."""

    code = "unauthenticated"


class NotFound(PollingError):
    """There is no such thing, or it is not the caller's: both look alike."""

    code = "not_found"


class Conflict(PollingError):
    """The job is not in a state in which this can be done."""

    code = "conflict"


class Gone(PollingError):
    """What was asked for existed, and was deleted by plan."""

    code = "gone"


class Changed(PollingError):
    """What was asked for is not what the caller has an entity tag of."""

    code = "precondition_failed"


class Refused(PollingError):
    """The request is understood, and not allowed."""

    code = "forbidden"


class TooLarge(PollingError):
    """A body, a line or a batch is over its bound."""

    code = "body_too_large"


class Unsupported(PollingError):
    """The body's media type is none that this endpoint reads."""

    code = "unsupported_media_type"


class NotAcceptable(PollingError):
    """None of the media types in `Accept` can be served."""

    code = "not_acceptable"


class TooMany(PollingError):
    """The caller asks or holds more than its share, or is shut out for some time."""

    code = "rate_limited"


class Misdirected(PollingError):
    """The request names a host that this service does not answer for."""

    code = "misdirected_request"


class TooSlow(PollingError):
    """The request's head or body did not come within its time."""

    code = "request_timeout"


class TargetTooLong(PollingError):
    """The request's target has more bytes than are taken."""

    code = "target_too_long"


class HeadTooLarge(PollingError):
    """The request's line and header fields have more bytes than are taken."""

    code = "headers_too_large"


class Unimplemented(PollingError):
    """The request uses a part of HTTP that is not spoken here."""

    code = "not_implemented"


class UnknownVersion(PollingError):
    """The request is of another version of HTTP."""

    code = "version_not_supported"


class Unavailable(PollingError):
    """A part that is needed does not answer now; asking again later may help."""

    code = "unavailable"
