"""What a dispatcher is woken for, so that it does not wait for its own clock."""

from polling_api.hub import Notice


def may_be_told(notice: Notice) -> bool:
    """Whether somebody may have to be told: nobody is told of progress alone, or of a job's being deleted."""
    try:
        job = notice.job()
    except (ValueError, KeyError, TypeError):  # of a deleted job, or of another release of this service
        return not notice.tells_deletion
    return job.version == job.status_version
