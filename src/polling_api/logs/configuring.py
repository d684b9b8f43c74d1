"""Logging, set up once for each process.

Lines carry the ids of the request that they are about. They go to standard error.
"""

import logging
import sys
from types import TracebackType
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor

from polling_api.logs.correlating import with_ids
from polling_api.logs.masking import mask_secrets

# Libraries that log through the standard library: their own handlers would write each line twice, unmasked.
_NOISY = {"httpx": logging.WARNING, "httpcore": logging.WARNING, "alembic": logging.WARNING}
_WITH_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access")

_log = structlog.get_logger("polling_api")


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
    sys.excepthook = _tell_uncaught


def _tell_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What ends the process is logged like all else: Python itself would write it unmasked."""
    if issubclass(kind, Exception):
        _log.critical("the process ends by an error", exc_info=(kind, error, trace))
    else:
        sys.__excepthook__(kind, error, trace)


def _without_colours(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Uvicorn brings each message twice, the second time with a terminal's escape codes."""
    event.pop("color_message", None)
    return event


def _shared() -> list[Processor]:
    return [
        with_ids,
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
