"""What keeps an export from being done; the messages are sentences for whoever ran it.

ExportError       it cannot be done, now or ever
└── WrongFile     the file is another's
Broken            the connection broke, or the service cannot answer now: worth another try
"""


class ExportError(Exception):
    """The export cannot be done; says why, and what is left."""


class WrongFile(ExportError):
    """What is in the file's place are not the beginnings of this download."""


class Broken(Exception):
    """A try that failed and may be made again.

    Args:
        reason: a sentence.
        retry_after: seconds that the service asked to wait; None where it did not.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
