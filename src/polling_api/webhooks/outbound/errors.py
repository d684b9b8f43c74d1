"""Why nothing was sent, or nothing answered.

    Exception
    ├── Forbidden             a rule says no; the same request will not do better
    │   ├── ForbiddenUrl      by how the url is written
    │   └── ForbiddenAddress  by what its host leads to at this moment
    ├── Unresolved            the name has no address now, or nobody said in time
    └── Unanswered            the connection broke, or what came is no answer
        ├── Disconnected      it broke before anything of an answer was there
        └── Unreached         there was no connection; nothing of the request has left

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


class Unanswered(Exception):
    """The request was not answered; `hung` tells whether that took all the time there was."""

    def __init__(self, detail: str, *, hung: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hung = hung


class Disconnected(Unanswered):
    """The connection broke without an answer: a kept one had perhaps ended before the request came."""


class Unreached(Unanswered):
    """Nobody could be reached: nothing of the request has left, and another address may do better."""
