"""Secrets that tests give the service or get from it, and the search for them where they must not be.

Whatever a test makes or sends as a secret is planted here, so that the end of the run can look for all of them in all
that was written: see `conftest.nothing_leaks`.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

import pytest

LEAST = 16  # characters: a shorter text is no secret, and is found anywhere
SHOWN = 4  # characters of a secret that a failure shows
SHOWN_LEAKS = 20


class Leak(NamedTuple):
    """Where a secret stands that should not: never the secret itself."""

    place: str
    kind: str
    hint: str

    def __str__(self) -> str:
        return f"{self.place}: {self.kind} {self.hint}…"


class Planted:
    """Secrets, each found by the first 16 characters of any form in which it may be written."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._kinds: dict[str, tuple[str, str]] = {}

    def plant(self, kind: str, secret: str) -> str:
        """Look for this text from now on; one of less than 16 characters is none. Returns it."""
        if len(secret) >= LEAST and secret not in self._known:
            self._known.add(secret)
            for form in forms(secret):
                self._kinds[form[:LEAST]] = kind, secret[:SHOWN]
        return secret

    def search(self, text: str, place: str = "text") -> Iterator[Leak]:
        """Find what a text holds of what was planted."""
        starts = range(len(text) - LEAST + 1) if self._kinds else ()
        for at in starts:
            if (found := self._kinds.get(text[at : at + LEAST])) is not None:
                yield Leak(f"{place}, character {at}", *found)

    def search_files(self, files: Iterable[Path]) -> list[Leak]:
        """Find it in files, by their lines."""
        return [leak for file in files for leak in self._search_file(file)]

    def _search_file(self, file: Path) -> Iterator[Leak]:
        with file.open(encoding="utf-8", errors="backslashreplace") as lines:
            for number, line in enumerate(lines, start=1):
                yield from self.search(line, f"{file}, line {number}")


def forms(secret: str) -> set[str]:
    """How a secret may be written: as it is, quoted for a URL or JSON, in base64 amid other bytes, in hexadecimal."""
    written = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}
    values = [secret.encode()]
    if (decoded := _decoded(secret)) is not None:
        values.append(decoded)
        as_python = repr(decoded)[2:-1]
        written |= {as_python, json.dumps(as_python)[1:-1]}
    for value in values:
        written |= {value.hex(), value.hex().upper(), *_in_base64(value)}
    return {form for form in written if len(form) >= LEAST}


def _decoded(secret: str) -> bytes | None:
    """The bytes that a secret stands for, where it is 32 of them in base64."""
    try:
        decoded = base64.b64decode(secret, validate=True)
    except ValueError:
        return None
    return decoded if len(decoded) == 32 else None


def _in_base64(value: bytes) -> Iterator[str]:
    """Its characters that do not depend on what stands before it, of which there may be any number of bytes."""
    for before, spoilt in ((0, 0), (1, 2), (2, 3)):
        text = base64.b64encode(bytes(before) + value).decode().rstrip("=")[spoilt:-1]
        yield from (text, text.replace("+", "-").replace("/", "_"))


def fail_for(leaks: Sequence[Leak]) -> None:
    """Fail where there is a leak, without the text it was found in: a report is no better a place for secrets."""
    if leaks:
        pytest.fail(f"{len(leaks)} secrets leaked:\n" + "\n".join(map(str, leaks[:SHOWN_LEAKS])), pytrace=False)


PLANTED: Final = Planted()

MASTER_KEY: Final = PLANTED.plant("master key", "9f2b-the-master-key-of-tests-alone")
UPSTREAM_KEY: Final = PLANTED.plant("key of the provider", "c41d-the-providers-key-made-up")
DATABASE_PASSWORD: Final = PLANTED.plant("password of Postgres", "72ae-password-of-postgres@home")
REDIS_PASSWORD: Final = PLANTED.plant("password of Redis", "e80c-password-of-redis@home")
PUSH_SECRET: Final = "whsec_" + PLANTED.plant(
    "secret of the provider's events", base64.b64encode(b"secret-of-events-made-up-by-hand").decode()
)
MODEL: Final = PLANTED.plant("part of a body", "5d37-model-in-a-body")  # the simulator's answers repeat it
