"""What webhooks are held to: who is told of what, where that may be, and what becomes of a delivery."""

import re
import secrets
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from polling_api.errors import Invalid

ENDPOINT_ID = re.compile(r"whe_[0-9a-f]{32}")
DELIVERY_ID = re.compile(r"whd_[0-9a-f]{32}")

LONGEST_OVERLAP = 30 * 86_400  # seconds in which every receiver can be given the new secret
TEST_EVENT = "webhook.test"


class Topic(StrEnum):
    """What a receiver asks to be told of."""

    TERMINAL = "terminal"  # the end of a job
    STATUS = "status"  # every change of status, the end too


class EndpointStatus(StrEnum):
    """Whether an endpoint is told anything."""

    ENABLED = "enabled"
    DISABLED = "disabled"


class DisabledBecause(StrEnum):
    """Why it is told nothing."""

    GONE = "gone"  # it answered 410
    OWNER = "owner"  # its owner said so


class DeliveryStatus(StrEnum):
    """What has become of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    SUPERSEDED = "superseded"


class Lane(NamedTuple):
    """Whose deliveries go where (host and port, as `example.org:443`): each lane has its own share of the turns."""

    owner: str
    destination: str

    def __str__(self) -> str:
        return f"{self.owner} {self.destination}"

    @classmethod
    def of(cls, text: str) -> "Lane":
        """Read what `str` gave."""
        owner, _, destination = text.partition(" ")
        return cls(owner, destination)


def new_endpoint_id() -> str:
    """Draw an id from the operating system's generator: 128 random bits."""
    return f"whe_{secrets.token_hex(16)}"


def new_delivery_id() -> str:
    """Draw an id from the operating system's generator: 128 random bits."""
    return f"whd_{secrets.token_hex(16)}"


def topics(events: Sequence[str]) -> tuple[Topic, ...]:
    """What is asked for, each once.

    Raises:
        Invalid: there is none, or one is not known.
    """
    known = {topic.value: topic for topic in Topic}
    if not events or any(event not in known for event in events):
        raise Invalid(f"events is a list of one or more of {', '.join(known)}.")
    return tuple(dict.fromkeys(known[event] for event in events))
