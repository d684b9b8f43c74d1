"""What a monitor is woken for, so that it does not wait for the next sweep."""

from polling_api.domain.job import Status
from polling_api.hub import Notice


def needs_a_look(notice: Notice) -> bool:
    """Whether this is a first version, or one that a caller's cancel may have made; monitors make all others."""
    return notice.version == 1 or _tells_a_cancel(notice)


def _tells_a_cancel(notice: Notice) -> bool:
    try:
        return notice.job().status is Status.CANCELLING
    except (ValueError, KeyError, TypeError):  # of a deleted job, or of another release of this service
        return False
