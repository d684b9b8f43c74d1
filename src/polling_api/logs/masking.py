"""Secrets in what is about to be written: found by the name of what holds them, by their place in a text, or by shape.

This is the last of three lines: nobody logs what may hold a secret, what has one keeps it out of its own text
(`SecretStr`, `repr=False`), and what slips through, as in the errors of drivers, is masked here.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from structlog.typing import EventDict

MASK: Final = "***"

_HEADERS = (
    r"(?:proxy-)?authorization|(?:set-)?cookie|signature(?:-input)?|webhook-signature|idempotency-key|content-digest"
)
_SECRET_NAME = re.compile(
    rf"(?:^|[-_])(?:{_HEADERS.replace('-', '[-_]')}|token|secret|password|sealed|nonce|credentials"
    r"|api[-_]key|master[-_]keys?|body|bodies|payload)$",
    re.IGNORECASE,
)

# What stays is in a group, what is masked is in none.
_SECRETS = re.compile(
    # the value of a query or a connection string; credentials (RFC 6750, RFC 7617); an address's password (RFC 3986)
    r"([?&;\s](?:access_token|token|password|api_key)=|\b(?:Bearer|Basic)\s+|://[^\s:/?#@]*:(?=[^\s/?#]*@))[^\s&;'\"@]+"
    # a header as a line, or as the pair that it is in Python
    rf"|(\b(?:{_HEADERS})(?:\s*:\s*|'\s*[:,]\s*b?'))[^'\r\n]+"
    # a member of a JSON document
    r"|(\"(?:\w*_)?(?:token|secret|password|api_key|nonce)\"\s*:\s*\")[^\"]+"
    # a parameter and the value of a signature (RFC 9421)
    r"|(\bnonce=\")[^\"]+|(=:)[A-Za-z0-9+/]{22,}={0,2}(?=:)"
    # what a driver and pydantic repeat of the values they were given
    r"|(\binvalid input for query argument [^:]{1,80}: )[^\r\n]+|(\binput_value=).+?(?=, input_type=)"
    r"|(\b(?:invalid input (?:syntax|value) for [^:\n]{1,80}|malformed \w+ literal): )\"(?s:.+?)\"(?=[\r\n]|\Z)"
    r"|(\bDETAIL:\s+)(?s:.+?)(?=\nHINT: |\n\[SQL|\n\n|\Z)"
    # secrets that say themselves what they are, and 32 bytes as base64, which ours are
    r"|\bpat_[\w.~=-]{8,}|\b(?:whsec_|sk-)[\w.~+/=-]{8,}|(?<![\w+/=-])[\w+/-]{43}=(?![\w+/=])",
    re.IGNORECASE,
)


def mask(text: str) -> str:
    """Replace secrets in a text; what they belong to stays readable."""
    return _SECRETS.sub(_masked_match, text)


def mask_secrets(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """A structlog processor that masks secrets in all values of an event, however deep."""
    return {name: _masked(name, value) for name, value in event.items()}


def _masked_match(found: re.Match[str]) -> str:
    return f"{found[found.lastindex] if found.lastindex else ''}{MASK}"


def _masked(name: str, value: Any) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case _ if _SECRET_NAME.search(name):
            return MASK
        case str() | bytes():
            return mask(_text(value))
        case Mapping():
            return {_text(key): _masked(_text(key), item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case list() | tuple():
            return _masked_items(name, value)  # pyright: ignore[reportUnknownArgumentType]
        case _:  # errors above all: what a driver says of an address may hold its password
            return mask(str(value))


def _masked_items(name: str, items: Sequence[Any]) -> list[Any]:
    """The items of a list; a pair may be a header's name and value."""
    match items:
        case (str() | bytes()) as first, second if _SECRET_NAME.search(_text(first)):
            return [_text(first), _masked(_text(first), second)]
        case _:
            return [_masked(name, item) for item in items]


def _text(value: Any) -> str:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
