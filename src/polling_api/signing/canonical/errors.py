"""What has no canonical form.

    CanonicalError
    ├── Malformed       a field or a target that cannot be read
    └── NotCoverable    a component that cannot be covered, or not of this request

Their sentences repeat nothing of what was sent.
"""


class CanonicalError(ValueError):
    """There is no canonical form of what was given."""


class Malformed(CanonicalError):
    """A field, or the request's target, cannot be read."""


class NotCoverable(CanonicalError):
    """A covered component is unknown, or the request does not have it."""
