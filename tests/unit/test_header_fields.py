from typing import Any

from polling_api.api.requests import field, header, header_lines

LINES = [(b"host", b"here"), (b"accept", b"text/html"), (b"x-a", b"\xe9"), (b"accept", b"*/*")]


def scope() -> dict[str, Any]:
    return {"headers": LINES}


def test_several_lines_of_a_field_are_one_value() -> None:
    assert header(scope(), b"accept") == "text/html, */*"
    assert header_lines(scope(), b"accept") == ["text/html", "*/*"]


def test_a_field_is_read_in_its_bytes_or_as_latin_1() -> None:
    assert (field(scope(), b"x-a"), header(scope(), b"x-a")) == (b"\xe9", "é")


def test_a_field_that_is_not_there_is_none() -> None:
    assert header(scope(), b"origin") is None
    assert header({"headers": []}, b"origin") is None
