"""A submission that has passed every check."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from polling_api.api.submission.spool import Spool
from polling_api.api.submission.webhook import Webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A job that is not stored yet. Whoever holds it closes it, by `with` or `close`.

    `expires_in` is in seconds. `total` is the number of requests, at least 1.
    """

    endpoint: str
    metadata: dict[str, str]
    expires_in: float | None
    total: int
    webhook: Webhook | None
    spool: Spool

    def requests(self) -> Iterator[tuple[str, str]]:
        """Every (custom_id, body) in the order of submission, read from the spool; one iteration at a time.

        A body is the JSON text that was sent, byte for byte, but for line breaks between its tokens, which
        became spaces: so it always fits into one line of the provider's format.
        """
        return self.spool.records()

    def close(self) -> None:
        """Give the spool's space back; harmless when done twice."""
        self.spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
