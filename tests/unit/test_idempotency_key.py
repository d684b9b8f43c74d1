"""The `Idempotency-Key` header as it is read, and what makes two submissions the same."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.api.idempotency import Fingerprint, idempotency_key
from polling_api.errors import BadRequest

UUID = "8e03978e-40d5-43e8-bc93-6894a57f9324"

printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=22, max_size=255)


def read(*lines: str) -> str | None:
    return idempotency_key([*lines], shortest=22)


async def digest(media_type: str, *chunks: bytes) -> bytes:
    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    fingerprint = Fingerprint(media_type)
    assert [chunk async for chunk in fingerprint.over(body())] == [*chunks]
    return fingerprint.value()


def test_no_header_is_no_key() -> None:
    assert read() is None


@given(printable.map(lambda text: text.strip()).filter(lambda text: len(text) >= 22 and not text.startswith('"')))
def test_a_plain_key_is_itself(key: str) -> None:
    assert read(f"  {key}\t") == key


@given(printable)
def test_a_quoted_key_is_what_stands_between_the_quotes(key: str) -> None:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')

    assert read(f'"{escaped}"') == key


@pytest.mark.parametrize(
    "line",
    [
        "",
        " ",
        UUID[:21],
        "a" * 256,
        f'"{UUID}',
        f'"{UUID}";v=1',
        f'"{UUID}" "',
        f'"{UUID}\\x"',
        UUID + "\xe9",
        UUID + "\x7f",
    ],
)
def test_a_key_that_breaks_a_rule_is_refused(line: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read(line)

    assert refused.value.code == "bad_idempotency_key"


def test_two_keys_are_refused_even_if_they_are_alike() -> None:
    with pytest.raises(BadRequest):
        read(UUID, UUID)


async def test_a_fingerprint_is_of_the_bytes_wherever_they_were_cut() -> None:
    assert await digest("application/json", b"{", b"}") == await digest("application/json", b"{}")


async def test_another_body_or_media_type_has_another_fingerprint() -> None:
    prints = {
        await digest("application/json", b"{}"),
        await digest("application/json", b"{ }"),
        await digest("application/x-ndjson", b"{}"),
        await digest("application/json\0", b"{}"),
    }

    assert len(prints) == 4
