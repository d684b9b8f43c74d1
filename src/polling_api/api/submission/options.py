"""What a submission says about the job as a whole, in either format."""

from dataclasses import dataclass, field

from msgspec import Raw

from polling_api.api.submission.codes import Code
from polling_api.api.submission.findings import Findings, Place, echo
from polling_api.api.submission.reading import Members, is_null, read_number, read_object, read_string
from polling_api.api.submission.rules import (
    LONGEST_EXPIRES_IN,
    LONGEST_METADATA_KEY,
    LONGEST_METADATA_VALUE,
    MOST_METADATA,
    Rules,
)
from polling_api.api.submission.webhook import Webhook, read_webhook
from polling_api.domain.script import parse_script
from polling_api.errors import Invalid

OPTIONS = frozenset({"endpoint", "metadata", "expires_in", "webhook"})


@dataclass(frozen=True, slots=True)
class Options:
    """The job's options. None is what was not said; `expires_in` is in seconds."""

    endpoint: str | None = None
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    expires_in: float | None = None
    webhook: Webhook | None = None


def read_options(members: Members, place: Place, rules: Rules, findings: Findings) -> Options:
    """Check the options among `members`. What breaks a rule is noted in `findings`, and left out."""
    return Options(
        endpoint=_endpoint(members.get("endpoint"), place / "endpoint", rules, findings),
        metadata=_metadata(members.get("metadata"), place / "metadata", rules, findings),
        expires_in=_expires_in(members.get("expires_in"), place / "expires_in", findings),
        webhook=read_webhook(members.get("webhook"), place / "webhook", rules, findings),
    )


def check_endpoint(endpoint: str, place: Place, rules: Rules, findings: Findings) -> None:
    """Note an endpoint that the provider's batches do not know."""
    if endpoint not in rules.endpoints:
        known = ", ".join(rules.endpoints)
        findings.add(Code.UNKNOWN_ENDPOINT, place, f'"{echo(endpoint)}" is not known; known are: {known}.')


def _endpoint(text: Raw | None, place: Place, rules: Rules, findings: Findings) -> str | None:
    if is_null(text):
        return None
    endpoint = read_string(text)
    if endpoint is None:
        findings.add(Code.INVALID_REQUEST, place, "A string is expected here.")
    else:
        check_endpoint(endpoint, place, rules, findings)
    return endpoint


def _expires_in(text: Raw | None, place: Place, findings: Findings) -> float | None:
    if is_null(text):
        return None
    seconds = read_number(text)
    if seconds is None or not 0 < seconds <= LONGEST_EXPIRES_IN:
        findings.add(
            Code.INVALID_REQUEST,
            place,
            f"A number of seconds over 0, at most {LONGEST_EXPIRES_IN:.0f}, is expected here.",
        )
    return seconds


def _metadata(text: Raw | None, place: Place, rules: Rules, findings: Findings) -> dict[str, str]:
    if text is None or is_null(text):
        return {}
    members = read_object(text, place, findings) or {}
    if len(members) > MOST_METADATA:
        findings.add(Code.INVALID_REQUEST, place, f"At most {MOST_METADATA} entries are taken, not {len(members)}.")
        return {}
    checked = {key: _entry(key, value, place / key, findings) for key, value in members.items()}
    metadata = {key: value for key, value in checked.items() if value is not None}
    if "simulator" in metadata:
        _check_script(metadata["simulator"], place / "simulator", rules, findings)
    return metadata


def _entry(key: str, text: Raw, place: Place, findings: Findings) -> str | None:
    if not 1 <= len(key) <= LONGEST_METADATA_KEY:
        findings.add(Code.INVALID_REQUEST, place, f"A key has 1 to {LONGEST_METADATA_KEY} characters.")
    value = read_string(text)
    if value is None or len(value) > LONGEST_METADATA_VALUE:
        findings.add(
            Code.INVALID_REQUEST,
            place,
            f"A string of at most {LONGEST_METADATA_VALUE} characters is expected here.",
        )
        return None
    if "\0" in key or "\0" in value:
        findings.add(Code.NULL_CHARACTER, place, "The character U+0000 is not taken.")
    return value


def _check_script(script: str, place: Place, rules: Rules, findings: Findings) -> None:
    if not rules.simulated:
        findings.add(Code.SCRIPT_WITHOUT_SIMULATOR, place, "Scripts are for the simulator, and the provider is real.")
        return
    try:
        parse_script(script)
    except Invalid as error:
        findings.add(Code.BAD_SCRIPT, place, error.detail)
