"""Whether the primary can be asked at all: while it cannot, what is known here is better than nothing."""

from collections.abc import Generator
from contextlib import contextmanager

from polling_api.errors import Unavailable


class Contact:
    """Lost with any read that is not answered, found again with the next that is; comparisons see to a next one.

    Attributes:
        lost: whether the last read was not answered.
    """

    def __init__(self) -> None:
        self.lost = False

    @contextmanager
    def asking(self) -> Generator[None]:
        """Read from the primary in the body."""
        try:
            yield
        except Unavailable:
            self.lost = True
            raise
        self.lost = False
