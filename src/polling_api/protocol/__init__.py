"""HTTP/1.1 where uvicorn leaves it open: what a request may be, its time and its reader's, how many connections."""

from polling_api.protocol.capacity import Capacity
from polling_api.protocol.counted import CountedProtocol
from polling_api.protocol.reading import Bounds

__all__ = ["Bounds", "Capacity", "CountedProtocol"]
