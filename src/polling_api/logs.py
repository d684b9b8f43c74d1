"""Structured logs: one set-up for our own lines and those of libraries, and no secret in any of them.

Lines carry what `structlog.contextvars` holds, the correlation id above all. They go to standard error.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor

MASK = "***"

# Libraries that log through the standard library: their own handlers would write each line twice, unmasked.
_NOISY = {"httpx": logging.WARNING, "httpcore": logging.WARNING, "alembic": logging.WARNING}
_WITH_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access")

_SECRET_NAME = re.compile(r"(?:^|_)(?:token|secret|password|authorization|api_key|cookie|signature)$", re.IGNORECASE)
_SECRETS = re.compile(
    r"(?P<before>"
    r"[?&;\s](?:access_token|token|password|api_key)="  # of a query or a connection string
    r"|\b(?:Bearer|Basic)\s+"  # of an Authorization header (RFC 6750, RFC 7617)
    r"|://[^\s:/?#@]*:(?=[^\s/?#]*@)"  # the password of an address (RFC 3986, section 3.2.1)
    r")[^\s&;'\"@]+"
    r"|\b(?:whsec_|sk-)[\w+/=-]{8,}"  # secrets that say by themselves what they are
    r"|pat_[\w.=-]{20,}"  # and our access tokens, wherever somebody has put one: into a path, say
    r"|(?<==):[\w+/]{40,}={0,2}:",  # of a Signature field (RFC 9421)
    re.IGNORECASE,
)


def mask(text: str) -> str:
    """Replace tokens, passwords and keys in a text; what they belong to stays readable."""
    return _SECRETS.sub(lambda found: f"{found['before'] or ''}{MASK}", text)


def configure(style: Literal["auto", "json", "console"] = "auto", level: str = "info") -> None:
    """Set up logging for this process; may be called again.

    Args:
        style: `auto` is for eyes where standard error is a terminal, else JSON, a line an event.
        level: the least level that is written, by name.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_shared(),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(style)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name, least in _NOISY.items():
        logging.getLogger(name).setLevel(max(least, number))
    for name in _WITH_HANDLERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


def mask_secrets(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """A structlog processor that masks secrets in all values of an event, however deep."""
    return {name: _masked(name, value) for name, value in event.items()}


def _without_colours(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Uvicorn brings each message twice, the second time with a terminal's escape codes."""
    event.pop("color_message", None)
    return event


def _masked(name: str, value: Any) -> Any:
    match value:
        case str() if _SECRET_NAME.search(name):
            return MASK
        case str():
            return mask(value)
        case Mapping():
            return {str(key): _masked(str(key), item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case list() | tuple():
            return [_masked(name, item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case None | bool() | int() | float():
            return value
        case _:  # errors above all: what a driver says of an address may hold its password
            return mask(str(value))


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
        _without_colours,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.UnicodeDecoder(),
    ]


def _rendering(style: str) -> list[Processor]:
    """Last, so that a traceback's text and what libraries said are masked too."""
    if style == "json" or (style == "auto" and not sys.stderr.isatty()):
        return [
            structlog.processors.format_exc_info,
            mask_secrets,
            structlog.processors.JSONRenderer(),
        ]
    return [
        structlog.processors.format_exc_info,
        mask_secrets,
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
    ]
