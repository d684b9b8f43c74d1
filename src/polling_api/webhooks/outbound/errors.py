"""Why nothing was sent.

    Exception
    ├── Forbidden             a rule says no; the same request will not do better
    │   ├── ForbiddenUrl      by how the url is written
    │   └── ForbiddenAddress  by what its host leads to at this moment
    └── Unresolved            the name has no address now, or nobody said in time

Each is one sentence that may be shown to whoever gave the url: it says which rule, and never an address that our
resolver told us.
"""


class Forbidden(Exception):
    """Base of the refusals; `detail` is the sentence."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class ForbiddenUrl(Forbidden):
    """The url is not one that we send to."""


class ForbiddenAddress(Forbidden):
    """The url's host is, or leads to, an address that we do not send to."""


class Unresolved(Exception):
    """The url's name has no address, as far as could be found out in time; a later try may do better."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
