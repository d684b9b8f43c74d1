"""What broke off, in the log."""

import structlog

from polling_api.errors import Unavailable

_log = structlog.get_logger(__name__)


def report(error: Exception, event: str) -> None:
    """Log what broke off; the database's absence in a line, a mistake of ours with its trace."""
    if isinstance(error, Unavailable):
        _log.warning(event, reason=error.detail)
    else:
        _log.error(event, exc_info=error)
