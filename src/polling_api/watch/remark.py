"""What a reader should know beside a job's state."""

from typing import NamedTuple


class Remark(NamedTuple):
    """Said only where something is wrong.

    Attributes:
        age: whole seconds since the state was last confirmed, where the primary cannot be asked; else None.
    """

    age: int | None = None
