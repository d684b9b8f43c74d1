"""Secrets that tests give the service or get from it, and the search for them where they must not be.

Whatever a test makes or sends as a secret is planted here, so that the end of the run can look for all of them in all
that was written: see `conftest.nothing_leaks`.
"""

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

import pytest

LEAST = 16  # characters: a shorter text is no secret, and is found anywhere
SHOWN = 4  # characters of a secret that a failure shows
SHOWN_LEAKS = 20
NOTHING_FOUND = 1  # the status of grep; above it is an error
BYTE_WISE = {**os.environ, "LC_ALL": "C"}


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
        """Find it in files, by their lines.

        Raises:
            CalledProcessError: the files could not be searched.
        """
        return [leak for place, line in self._suspects([*files]) for leak in self.search(line, place)]

    def _suspects(self, files: Sequence[Path]) -> Iterator[tuple[str, str]]:
        """The lines in which something is found, and where they are: by grep, since a run writes a gigabyte."""
        if not self._kinds or not files:
            return
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as wanted:
            wanted.write("\n".join(self._kinds))
            wanted.flush()
            command = ["grep", "--text", "--fixed-strings", "--with-filename", "--null", "--line-number"]
            found = subprocess.run(  # noqa: S603 - nothing of it is from outside
                [*command, "-f", wanted.name, "--", *files], env=BYTE_WISE, stdout=subprocess.PIPE, check=False
            )
        if found.returncode > NOTHING_FOUND:
            found.check_returncode()
        for one in found.stdout.decode(errors="backslashreplace").splitlines():
            file, _, rest = one.partition("\0")
            number, _, line = rest.partition(":")
            yield f"{file}, line {number}", line


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
