"""What a dispatcher is woken for, so that it does not wait for its own clock."""

from polling_api.domain.job import Job
from polling_api.hub import Notice


def is_told(job: Job) -> bool:
    """Whether a version is one that somebody may have to be told: nobody is told of progress alone."""
    return job.version == job.status_version


def may_be_told(notice: Notice) -> bool:
    """Whether a notice tells such a version; nobody is told of a job's being deleted."""
    try:
        return is_told(notice.job())
    except (ValueError, KeyError, TypeError):  # of a deleted job, or of another release of this service
        return not notice.tells_deletion
