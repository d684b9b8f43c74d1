"""Where a submission wants its job to be told besides: `{"url","events"}`."""

from dataclasses import dataclass

from msgspec import Raw

from polling_api.api.submission.codes import Code
from polling_api.api.submission.findings import Findings, Place
from polling_api.api.submission.reading import Members, is_null, read_array, read_object, read_string
from polling_api.api.submission.rules import Rules
from polling_api.domain.webhook import Topic, topics
from polling_api.errors import Invalid

_WEBHOOK = frozenset({"url", "events"})


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that may be sent to, and what is told there."""

    url: str
    events: tuple[Topic, ...]


def read_webhook(text: Raw | None, place: Place, rules: Rules, findings: Findings) -> Webhook | None:
    """Check a webhook. What breaks a rule is noted in `findings`, and None is returned, as where there is none."""
    if text is None or is_null(text):
        return None
    members = read_object(text, place, findings)
    if members is None:
        return None
    refuse_unknown(members, _WEBHOOK, place, findings)
    url = _url(members.get("url"), place / "url", rules, findings)
    events = _events(members.get("events"), place / "events", findings)
    return Webhook(url, events) if url is not None and events else None


def refuse_unknown(members: Members, known: frozenset[str], place: Place, findings: Findings) -> None:
    """Note every member that is not known, so that a misspelt one is not lost in silence."""
    listed = ", ".join(sorted(known))
    for name in [name for name in members if name not in known]:
        findings.add(Code.UNKNOWN_FIELD, place / name, f"There is no such field here; known are: {listed}.")


def _url(text: Raw | None, place: Place, rules: Rules, findings: Findings) -> str | None:
    url = read_string(text)
    if url is None:
        findings.add(Code.INVALID_REQUEST, place, "A string is expected here.")
        return None
    reason = rules.webhook_refused(url)
    if reason is not None:
        findings.add(Code.INVALID_REQUEST, place, reason)
        return None
    return url


def _events(text: Raw | None, place: Place, findings: Findings) -> tuple[Topic, ...]:
    if text is None or is_null(text):
        return (Topic.TERMINAL,)
    items = read_array(text, place, findings)
    if items is None:
        return ()
    try:
        # A longer list than there are topics is not read through.
        return topics([read_string(item) or "" for item in items] if len(items) <= len(Topic) else [])
    except Invalid as error:
        findings.add(Code.INVALID_REQUEST, place, error.detail)
        return ()
