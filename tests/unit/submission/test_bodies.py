"""What bodies are made of: kept as they are, or refused cleanly, alike in both formats."""

from collections.abc import Awaitable, Callable

import pytest

from polling_api.api.submission import Draft
from polling_api.errors import BadRequest, Invalid

Submit = Callable[[bytes], Awaitable[Draft]]


@pytest.fixture(params=["json", "lines"])
def submit(request: pytest.FixtureRequest, submit_json: Submit, submit_lines: Submit) -> Submit:
    def in_json(body: bytes) -> Awaitable[Draft]:
        return submit_json(b'{"requests":[{"custom_id":"a","body":%s}]}' % body)

    def in_a_line(body: bytes) -> Awaitable[Draft]:
        return submit_lines(b'{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":%s}' % body)

    return {"json": in_json, "lines": in_a_line}[request.param]


@pytest.mark.parametrize(
    "body",
    [
        b'{"n":%s}' % (b"9" * 5000),
        b'{"n":1e400}',
        b'{"n":-0.10000000000000000000000000001E+0}',
        b'{"n":12345678901234567890123}',
        b'{ "spaces" :\t[ 1 , 2 ] }',
        b'{"k":1,"k":2}',
        rb'{"escapes":"\u0041\/\n\ud83d\ude00"}',
        rb'{"no null":"\\u0000"}',
        '{"text":"žluťoučký 🐎 \u2028\x7f"}'.encode(),
        b'{"brackets":"%s"}' % (b"[{" * 500),
        rb'{"quote":"\"%s"}' % (b"[" * 500),
        b'{"wide":[%s]}' % b",".join([b"[]"] * 500),
        b'{"n":' + b"[" * 99 + b"]" * 99 + b"}",
        b'{"n":' + b"[" * 99 + b"]" * 99 + b',"m":[]}',
        b"{}",
    ],
)
async def test_a_body_is_kept_byte_for_byte(submit: Submit, body: bytes) -> None:
    draft = await submit(body)

    assert [kept.encode() for _, kept in draft.requests()] == [body]


@pytest.mark.parametrize(
    "body",
    [
        b'{"n":NaN}',
        b'{"n":Infinity}',
        b'{"n":-Infinity}',
        b'{"n":01}',
        b'{"n":1.}',
        b'{"n":+1}',
        b'{"n":1,}',
        b"{n:1}",
        b"{'n':1}",
        b'{"n":1',
        b'{"n":"\x00"}',
        b'{"n":"\t"}',
        b'{"n":"\xff"}',
        b'{"n":"\xed\xa0\x80"}',
        b'{"n":"\xc0\x80"}',
        rb'{"n":"\x41"}',
        rb'{"n":"\ud800"}',
        rb'{"n":"\udc00 and more text after it"}',
        rb'{"\ud800\u0041":1}',
        b'{"n":/* no comments */1}',
    ],
)
async def test_a_body_that_is_no_json_is_malformed(submit: Submit, body: bytes) -> None:
    with pytest.raises(BadRequest) as refusal:
        await submit(body)

    assert refusal.value.code == "malformed_json"


@pytest.mark.parametrize("body", [rb'{"n":"a\u0000"}', rb'{"\u0000":1}', rb'{"n":["\\\u0000"]}'])
async def test_a_body_with_a_null_character_is_refused(submit: Submit, body: bytes) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit(body)

    assert refusal.value.code == "null_character"
    assert refusal.value.errors[0].pointer.endswith("/body")


@pytest.mark.parametrize(
    "body",
    [
        b'{"n":' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"n":' * 101 + b"1" + b"}" * 101,
        b'{"n":' + b"[" * 1_000 + b"]" * 1_000 + b"}",
        b'{"n":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"n":' + b"[" * 40_000,
    ],
)
async def test_a_body_of_more_than_100_levels_is_refused(submit: Submit, body: bytes) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit(body)

    assert refusal.value.code == "nested_too_deeply"


async def test_a_custom_id_with_a_null_character_is_refused(submit_json: Submit) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_json(rb'{"requests":[{"custom_id":"a\u0000","body":{}}]}')

    assert refusal.value.code == "null_character"
    assert refusal.value.errors[0].pointer == "/requests/0/custom_id"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "cp1252"])
async def test_any_encoding_but_utf_8_is_malformed(submit_json: Submit, encoding: str) -> None:
    body = '{"requests":[{"custom_id":"é","body":{}}]}'.encode(encoding)

    with pytest.raises(BadRequest) as refusal:
        await submit_json(body)

    assert refusal.value.code == "malformed_json"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
async def test_lines_in_any_encoding_but_utf_8_are_malformed(submit_lines: Submit, encoding: str) -> None:
    body = '{"custom_id":"é","method":"POST","url":"/v1/embeddings","body":{}}\n'.encode(encoding)

    with pytest.raises(BadRequest) as refusal:
        await submit_lines(body)

    assert refusal.value.code == "malformed_json"


@pytest.mark.parametrize("read", ["submit_json", "submit_lines"])
async def test_a_byte_order_mark_is_called_by_its_name(request: pytest.FixtureRequest, read: str) -> None:
    submit: Submit = request.getfixturevalue(read)

    with pytest.raises(BadRequest, match="byte order mark"):
        await submit(b"\xef\xbb\xbf{}")


async def test_a_carriage_return_between_tokens_becomes_a_space(submit: Submit) -> None:
    draft = await submit(b'{"x":\r1}')

    assert [body for _, body in draft.requests()] == ['{"x": 1}']
