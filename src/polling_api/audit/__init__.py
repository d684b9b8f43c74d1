"""Who did what: rows that are committed before anybody is answered, and refusals summed by the minute.

Both write through a `Sink`, and know nothing of what is behind it.
"""

from polling_api.audit.log import AuditLog
from polling_api.audit.refusals import Refusals
from polling_api.audit.sink import Sink

__all__ = ["AuditLog", "Refusals", "Sink"]
