"""Where webhooks come in."""

from typing import Final

UPSTREAM: Final = "/upstream/webhook"  # outside of what clients call, and of its limits: the provider is none
