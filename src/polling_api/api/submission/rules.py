"""The bounds a submission is held to."""

from collections.abc import Callable
from dataclasses import dataclass

# Stored and indexed: 512 characters are at most 2,048 bytes, which an index row of Postgres (2,704) still
# holds. OpenAI states no bound; Anthropic's is 64.
LONGEST_CUSTOM_ID = 512
MOST_METADATA = 15
LONGEST_METADATA_KEY = 64
LONGEST_METADATA_VALUE = 512

# A provider's batch lives about a day, and may wait here for another. What is longer than a week was most
# likely meant in milliseconds.
LONGEST_EXPIRES_IN = 7 * 24 * 3600.0  # seconds


def _nowhere_refused(_url: str) -> str | None:
    """No address is refused here, where nothing is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the settings say about submissions.

    Args:
        endpoints: what the provider's batches know; the first is the default. Never empty.
        max_json_bytes: of a whole JSON body.
        max_batch_bytes: of a whole line format body, newlines included.
        max_line_bytes: of one line, without its newline.
        max_requests: in one job, in either format; and as many blank lines.
        simulated: whether the provider is the simulator, so that `metadata.simulator` is a script.
        webhook_refused: why an address is not sent to; None where it is.
    """

    endpoints: tuple[str, ...]
    max_json_bytes: int
    max_batch_bytes: int
    max_line_bytes: int
    max_requests: int
    simulated: bool
    webhook_refused: Callable[[str], str | None] = _nowhere_refused
