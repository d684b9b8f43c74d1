"""Conditional requests (RFC 9110, section 13), as pure functions of header values and a rendered version."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache

from polling_api.domain.validators import version_of
from polling_api.representation import Rendered

_TAG = re.compile(r'[\s,]*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")\s*')
LONGEST_KEPT = 200  # characters of an `If-None-Match` that is remembered: some tags of ours, and a megabyte in all
_SECOND = timedelta(seconds=1)
_ANY_TIME = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Condition:
    """What the caller has already seen.

    `tags` are the entity tags of `If-None-Match` without their weakness, None where there was no such header;
    `anything` stands for `*`. `since` is `If-Modified-Since`, already dropped where `If-None-Match` wins. `version` is
    the newest one among the tags, None where none of them is ours.
    """

    tags: frozenset[str] | None = None
    anything: bool = False
    since: datetime | None = None
    version: int | None = None

    @property
    def given(self) -> bool:
        """Whether the request was conditional at all."""
        return self.anything or self.tags is not None or self.since is not None

    def names(self, etag: str) -> bool:
        """Whether the caller has seen what has this entity tag, for what has no date."""
        return self.anything or (self.tags is not None and _opaque(etag) in self.tags)

    def holds_now(self, rendered: Rendered) -> bool:
        """What `holds` says at this moment, which matters to a date alone."""
        return self.holds(rendered, _ANY_TIME if self.since is None else datetime.now(UTC))

    def holds(self, rendered: Rendered, now: datetime) -> bool:
        """Whether the caller has seen this very version, so that a `304` is the answer.

        A date alone holds only when its second is over: before that another change may still fall into it.
        """
        if self.anything or self.tags is not None:
            return self.names(rendered.etag)
        if self.since is not None:
            return rendered.job.updated_at.replace(microsecond=0) <= self.since <= now - _SECOND
        return False


NO_CONDITION = Condition()


def parse_condition(if_none_match: str | None, if_modified_since: str | None) -> Condition:
    """Read the two headers; what cannot be read does not match, so that the caller gets the state.

    Args:
        if_none_match: all its lines joined by commas, or None.
        if_modified_since: its value, or None.
    """
    if if_none_match is not None:
        return _named(if_none_match) if len(if_none_match) <= LONGEST_KEPT else _read_tags(if_none_match)
    if if_modified_since is not None:
        return Condition(since=_http_date(if_modified_since))
    return NO_CONDITION


def matches(if_match: str | None, etag: str) -> bool:
    """Whether an `If-Match` lets a request be answered with what has a strong entity tag (section 13.1.1).

    Args:
        if_match: all its lines joined by commas, or None.
        etag: the tag, which a weak one never equals (section 8.8.3.2).
    """
    return if_match is None or if_match.strip() == "*" or etag in _listed(if_match)


def _read_tags(if_none_match: str) -> Condition:
    if if_none_match.strip() == "*":
        return Condition(anything=True)
    tags = frozenset(map(_opaque, _listed(if_none_match)))
    versions = [version for tag in tags if (version := version_of(tag)) is not None]
    return Condition(tags=tags, version=max(versions, default=None))


_named = lru_cache(maxsize=4096)(_read_tags)  # every poll of a job that does not change has the same one


def _listed(header: str) -> list[str]:
    tags: list[str] = []
    position = 0
    while found := _TAG.match(header, position):
        tags.append(found[1])
        position = found.end()
    return tags


def _opaque(tag: str) -> str:
    """Weak comparison (section 8.8.3.2) looks at the opaque part alone."""
    return tag.removeprefix("W/")


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else None
