"""A real batch, submitted and followed over three transports side by side, for somebody who has just arrived."""

from polling_api.demo.demo import run

__all__ = ["run"]
