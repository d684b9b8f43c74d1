"""`polling-api audit`: what was done, and by whom, for the operator, who sees every client's."""

import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import orjson
from rich.console import Console
from rich.table import Table

from polling_api.representation import audit_document
from polling_api.store import audit
from polling_api.store.engine import Engine

PAGE = 1000  # rows at a time: any number can be written out without being held
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_PERIOD = re.compile(r"(?P<count>\d{1,9}) ?(?P<unit>[smhdw])", re.ASCII)
_SHOWN = ("at", "client_id", "actor", "action", "job_id", "address", "outcome", "count")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which entries are wanted: of one client, of one kind of action, of the last so many seconds, so many at most."""

    client_id: str | None
    action: str | None
    within: float
    limit: int


def period(text: str) -> float:
    """The seconds of a period as people write it: `90s`, `30m`, `24h`, `7d`, `2w`.

    Raises:
        ValueError: it is none.
    """
    found = _PERIOD.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"`{text}` is no period of time: write a number and one of s, m, h, d, w, as 24h.")
    return float(int(found["count"]) * _UNITS[found["unit"]])


async def show(engine: Engine, asked: Asked, *, as_json: bool) -> None:
    """Write entries to standard output, newest first: as a table, or as JSON, one a line.

    Raises:
        Unavailable: the database does not answer.
    """
    if as_json:
        async for document in _documents(engine, asked):
            sys.stdout.write(orjson.dumps(document).decode() + "\n")
        return
    table = Table()
    for name in _SHOWN:
        table.add_column(name, overflow="fold", justify="right" if name == "count" else "left")
    async for document in _documents(engine, asked):
        table.add_row(*("" if document[name] is None else str(document[name]) for name in _SHOWN))
    # Without a terminal no line is cut: the table may be searched. And what callers sent is no markup.
    Console(width=None if sys.stdout.isatty() else 240, markup=False, emoji=False, highlight=False).print(table)


async def _documents(engine: Engine, asked: Asked) -> AsyncIterator[dict[str, object]]:
    left, before = asked.limit, None
    while left > 0:
        entries = await audit.page(
            engine,
            within=asked.within,
            limit=min(left, PAGE),
            client_id=asked.client_id,
            action=asked.action,
            before=before,
        )
        for entry in entries:
            yield audit_document(entry)
        left -= len(entries)
        if len(entries) < PAGE:
            break
        before = entries[-1].place
