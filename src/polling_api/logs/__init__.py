"""Structured logs: one set-up for our own lines and those of libraries, and no secret in any of them."""

from polling_api.logs.configuring import configure
from polling_api.logs.correlating import correlate
from polling_api.logs.masking import MASK, mask, mask_secrets

__all__ = ["MASK", "configure", "correlate", "mask", "mask_secrets"]
