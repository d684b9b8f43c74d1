"""Secrets that tests have put into the service's hands, and which of them it has written down."""

import re
from collections.abc import Iterable
from pathlib import Path

from running.service import MASTER_KEY

# By their looks: every access token, and every value of a `Signature` field.
_RECOGNIZED = re.compile(r"pat_[\w-]{20,}\.|sig1=:[\w+/]{40,}=*:|Bearer (?!\*{3})\S")
_planted = {MASTER_KEY}


def plant(secret: str) -> None:
    """Note a secret that the service is told, or tells."""
    _planted.add(secret)


def leaks_in(text: str) -> list[str]:
    """The secrets that stand in a text, those of the whole run until now."""
    return [secret for secret in _planted if secret in text] + _RECOGNIZED.findall(text)


def leaks_of(logs: Iterable[Path]) -> dict[str, list[str]]:
    """The same of log files, by their names; those without any are left out."""
    found = {log.name: leaks_in(log.read_text(errors="replace")) for log in logs}
    return {name: leaks for name, leaks in found.items() if leaks}
