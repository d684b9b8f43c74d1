"""What a reader should know beside a job's state."""

from typing import NamedTuple

from polling_api.domain.pace import Strain


class Remark(NamedTuple):
    """Said only where something is wrong.

    Attributes:
        age: whole seconds since the state was last confirmed, where the primary cannot be asked; else None.
        strain: what is known where the provider does not answer; else None.
    """

    age: int | None = None
    strain: Strain | None = None
