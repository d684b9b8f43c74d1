"""HTTP/1.1 where uvicorn leaves it open: what a request's head must be, and how long a request may take to come."""

from polling_api.protocol.connection import BoundedProtocol
from polling_api.protocol.reading import Bounds

__all__ = ["BoundedProtocol", "Bounds"]
