"""What the provider sends by itself: that a batch has ended. It is a hint, and changes nothing but when we look."""

from polling_api.webhooks.inbound.event import MalformedEvent, ended_batch
from polling_api.webhooks.inbound.pushes import Pushes
from polling_api.webhooks.inbound.repeats import Repeats

__all__ = ["MalformedEvent", "Pushes", "Repeats", "ended_batch"]
