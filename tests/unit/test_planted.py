"""The search for leaks finds them."""

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from running.planted import Planted

SECRET = "a secret/of+mine: ümlaut"
BYTES = base64.b64encode(bytes(range(200, 232))).decode()


@pytest.mark.parametrize(
    "written",
    [
        f"before {SECRET} after",
        quote(SECRET, safe=""),
        json.dumps({"value": SECRET}),
        *(base64.b64encode(b"x" * before + SECRET.encode() + b"and more").decode() for before in range(4)),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        f"cut off: {SECRET[:16]}",
    ],
)
def test_a_secret_is_found_however_it_is_written(written: str) -> None:
    planted = Planted()
    planted.plant("secret", SECRET)

    assert [leak.kind for leak in planted.search(written)] == ["secret"]


@pytest.mark.parametrize(
    "written",
    [
        BYTES,
        base64.urlsafe_b64encode(base64.b64decode(BYTES)).decode(),
        base64.b64decode(BYTES).hex(),
        repr(base64.b64decode(BYTES)),
        json.dumps({"value": repr(base64.b64decode(BYTES))}),
    ],
)
def test_bytes_are_found_however_they_are_written(written: str) -> None:
    planted = Planted()
    planted.plant("key", BYTES)

    assert {leak.kind for leak in planted.search(written)} == {"key"}


def test_a_leak_is_told_by_file_and_line_and_not_repeated(tmp_path: Path) -> None:
    planted, log = Planted(), tmp_path / "worker.log"
    planted.plant("secret", SECRET)
    log.write_text(f"one line\nanother with {SECRET}\n")

    [leak] = planted.search_files([log])

    assert str(leak) == f"{log}, line 2, character 13: secret a se…"


def test_other_texts_and_short_ones_are_no_leak() -> None:
    planted = Planted()
    planted.plant("short", "abc")
    planted.plant("secret", SECRET)

    assert list(planted.search(f"abc {SECRET[:15]} {SECRET[1:]}")) == []
