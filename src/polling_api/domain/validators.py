"""Entity tags that say how old they are (RFC 9110, section 8.8.3)."""

import re
from hashlib import blake2b

from polling_api.domain.job import Job

_ORDERED_TAG = re.compile(r'(?:W/)?"([0-9]{1,9})-[0-9a-f]{16}"')


def entity_tag(job: Job, *form: str) -> str:
    """The weak tag of one version of a job in one form.

    The hash is of what tells two histories of one version apart (a failover may lose a version and make it again),
    and of the form; the same on every node and in every coding.

    Args:
        job: the version.
        form: what else makes the bytes differ: set, API version, fields, media type.

    Returns:
        `W/"<version>-<hash>"`.
    """
    digest = blake2b("\n".join((job.status, job.updated_at.isoformat(), *form)).encode(), digest_size=8)
    return f'W/"{job.version}-{digest.hexdigest()}"'


def version_of(tag: str) -> int | None:
    """The version an entity tag of ours was made for, or None for a tag that is not ours."""
    found = _ORDERED_TAG.fullmatch(tag)
    return int(found[1]) if found else None
