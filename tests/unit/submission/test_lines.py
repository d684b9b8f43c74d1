import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from polling_api.api.submission import Draft, Rules, read_lines
from polling_api.errors import BadRequest, FieldError, Invalid, TooLarge

Submit = Callable[[bytes], Awaitable[Draft]]

A = b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"x":1}}'
B = b'{"custom_id":"b","method":"POST","url":"/v1/chat/completions","body":{"x":2}}'
EMBEDDING = b'{"custom_id":"e","method":"POST","url":"/v1/embeddings","body":{}}'


async def test_requests_come_back_in_the_order_of_submission(submit_lines: Submit) -> None:
    draft = await submit_lines(B + b"\n" + A + b"\n")

    assert list(draft.requests()) == [("b", '{"x":2}'), ("a", '{"x":1}')]


@pytest.mark.parametrize(
    "body",
    [
        A + b"\n" + B,
        A + b"\n" + B + b"\n",
        A + b"\r\n" + B + b"\r\n",
        A + b"\n" + B + b"\n\n\n",
        b"\n" + A + b"\n \t\r\n" + B,
    ],
)
async def test_line_ends_and_blank_lines_do_not_matter(submit_lines: Submit, body: bytes) -> None:
    draft = await submit_lines(body)

    assert list(draft.requests()) == [("a", '{"x":1}'), ("b", '{"x":2}')]


async def test_the_endpoint_is_the_url_of_the_lines(submit_lines: Submit) -> None:
    draft = await submit_lines(EMBEDDING)

    assert draft.endpoint == "/v1/embeddings"


async def test_a_first_line_may_hold_the_options(submit_lines: Submit) -> None:
    draft = await submit_lines(
        b'{"object":"job.options","endpoint":"/v1/embeddings","metadata":{"k":"v"},"expires_in":60}\n' + EMBEDDING
    )

    assert (draft.endpoint, draft.metadata, draft.expires_in, draft.total) == (
        "/v1/embeddings",
        {"k": "v"},
        60.0,
        1,
    )


async def test_options_may_follow_blank_lines(submit_lines: Submit) -> None:
    draft = await submit_lines(b'\n\n{"object":"job.options","expires_in":60}\n' + A)

    assert draft.expires_in == 60.0


async def test_options_on_a_later_line_are_refused(submit_lines: Submit) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_lines(A + b'\n{"object":"job.options","expires_in":60}')

    assert "line 2 /object" in [error.pointer for error in refusal.value.errors]


async def test_an_unknown_option_is_refused_by_name(submit_lines: Submit) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_lines(b'{"object":"job.options","expire_in":60}\n' + A)

    assert refusal.value.code == "unknown_field"
    assert [error.pointer for error in refusal.value.errors] == ["line 1 /expire_in"]


async def test_a_bad_script_among_the_options_is_refused_at_its_place(submit_lines: Submit) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_lines(b'{"object":"job.options","metadata":{"simulator":"dance"}}\n' + A)

    assert refusal.value.code == "bad_script"
    assert refusal.value.errors[0].pointer == "line 1 /metadata/simulator"


@pytest.mark.parametrize("body", [b"", b"\n", b"\n \r\n", b'{"object":"job.options"}', b'{"object":"job.options"}\n'])
async def test_a_batch_without_a_request_is_empty(submit_lines: Submit, body: bytes) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_lines(body)

    assert refusal.value.code == "empty_batch"


@pytest.mark.parametrize("line", [b"not json", b'{"custom_id":', b"{} {}", b'"half', b"[1,2", b"{'a':1}", b"\xff"])
async def test_a_line_that_is_no_json_is_named(submit_lines: Submit, line: bytes) -> None:
    before = b"".join(A.replace(b'"a"', b'"%d"' % number) + b"\n" for number in range(36))

    with pytest.raises(BadRequest) as refusal:
        await submit_lines(before + line + b"\n" + B)

    assert refusal.value.code == "malformed_json"
    assert refusal.value.detail.startswith("Line 37 is not JSON: ")
    assert [error.pointer for error in refusal.value.errors] == ["line 37"]


async def test_blank_lines_count_for_the_line_number(submit_lines: Submit) -> None:
    with pytest.raises(BadRequest) as refusal:
        await submit_lines(A + b"\n\n\r\nnot json")

    assert refusal.value.detail.startswith("Line 4 is not JSON: ")


@pytest.mark.parametrize(
    ("line", "pointer"),
    [
        (b"3", "line 2"),
        (b"[]", "line 2"),
        (b"null", "line 2"),
        (b'{"method":"POST","url":"/v1/chat/completions","body":{}}', "line 2 /custom_id"),
        (b'{"custom_id":"","method":"POST","url":"/v1/chat/completions","body":{}}', "line 2 /custom_id"),
        (b'{"custom_id":"x","url":"/v1/chat/completions","body":{}}', "line 2 /method"),
        (b'{"custom_id":"x","method":"GET","url":"/v1/chat/completions","body":{}}', "line 2 /method"),
        (b'{"custom_id":"x","method":"POST","body":{}}', "line 2 /url"),
        (b'{"custom_id":"x","method":"POST","url":7,"body":{}}', "line 2 /url"),
        (b'{"custom_id":"x","method":"POST","url":"/v1/chat/completions"}', "line 2 /body"),
        (b'{"custom_id":"x","method":"POST","url":"/v1/chat/completions","body":[]}', "line 2 /body"),
    ],
)
async def test_a_broken_rule_is_named_with_its_line(submit_lines: Submit, line: bytes, pointer: str) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_lines(A + b"\n" + line + b"\n" + B)

    assert refusal.value.code == "invalid_request"
    assert [error.pointer for error in refusal.value.errors] == [pointer]


async def test_an_unknown_field_of_a_request_is_refused_by_name(submit_lines: Submit) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_lines(A[:-1] + b',"modle":"x"}')

    assert refusal.value.code == "unknown_field"
    assert [error.pointer for error in refusal.value.errors] == ["line 1 /modle"]


async def test_a_duplicate_custom_id_names_both_lines(submit_lines: Submit) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_lines(A + b"\n" + B + b"\n" + A)

    assert refusal.value.code == "duplicate_custom_id"
    assert refusal.value.errors == (
        FieldError("line 3 /custom_id", '"a" is the custom_id at line 1 /custom_id and at line 3 /custom_id.'),
    )


async def test_an_unknown_endpoint_is_told_once_with_those_that_are_known(submit_lines: Submit) -> None:
    unknown = A.replace(b"/v1/chat/completions", b"/v1/audio")

    with pytest.raises(Invalid) as refusal:
        await submit_lines(unknown + b"\n" + unknown.replace(b'"a"', b'"b"'))

    assert refusal.value.code == "unknown_endpoint"
    assert refusal.value.errors == (
        FieldError("line 1 /url", '"/v1/audio" is not known; known are: /v1/chat/completions, /v1/embeddings.'),
    )


async def test_different_urls_are_refused(submit_lines: Submit) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_lines(A + b"\n" + EMBEDDING)

    assert refusal.value.code == "different_endpoints"
    assert refusal.value.errors == (
        FieldError("line 2 /url", '"/v1/embeddings" differs from "/v1/chat/completions" at line 1 /url.'),
    )


async def test_a_url_that_differs_from_the_options_is_refused(submit_lines: Submit) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_lines(b'{"object":"job.options","endpoint":"/v1/embeddings"}\n' + A)

    assert refusal.value.code == "different_endpoints"
    assert refusal.value.errors[0].pointer == "line 2 /url"


async def test_as_many_requests_as_allowed_are_taken(submit_lines: Submit) -> None:
    draft = await submit_lines(b"\n".join(A.replace(b'"a"', b'"%d"' % number) for number in range(100)))

    assert draft.total == 100


async def test_one_request_too_many_is_named(submit_lines: Submit) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_lines(b"\n".join(A.replace(b'"a"', b'"%d"' % number) for number in range(101)))

    assert refusal.value.code == "too_many_requests_in_batch"
    assert refusal.value.errors[0].pointer == "line 101"


async def test_more_blank_lines_than_requests_are_allowed_are_refused(submit_lines: Submit) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_lines(b"\n" * 101 + A)

    assert refusal.value.code == "too_many_requests_in_batch"


async def test_a_line_of_just_the_bound_is_read(submit_lines: Submit) -> None:
    draft = await submit_lines(A + b" " * (50_000 - len(A)) + b"\n" + B)

    assert draft.total == 2


@pytest.mark.parametrize("end", [b"", b"\n", b"x" * 1000])
async def test_a_line_of_one_byte_too_many_is_named(submit_lines: Submit, end: bytes) -> None:
    with pytest.raises(TooLarge) as refusal:
        await submit_lines(A + b"\n" + B + b" " * (50_001 - len(B)) + end)

    assert refusal.value.code == "body_too_large"
    assert refusal.value.detail == "Line 2 is over 50000 bytes, the most that a line may have."


async def test_a_batch_of_just_the_bound_is_read(submit_lines: Submit) -> None:
    padding = (b" " * 49_999 + b"\n") * 3

    draft = await submit_lines(padding + A + b" " * (50_000 - len(A)))

    assert draft.total == 1


async def test_a_batch_of_one_byte_too_many_is_too_large(submit_lines: Submit) -> None:
    padding = (b" " * 49_999 + b"\n") * 3

    with pytest.raises(TooLarge) as refusal:
        await submit_lines(padding + A + b" " * (49_999 - len(A)) + b"\n ")

    assert refusal.value.detail == "A batch has at most 200000 bytes; they end in line 5."


async def test_nothing_is_read_after_a_bound_is_passed(rules: Rules) -> None:
    asked: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            asked.append(1)
            yield b" " * 30_000

    with pytest.raises(TooLarge):
        await read_lines(endless(), rules)

    assert len(asked) == 2


async def test_what_stands_after_the_bound_is_not_looked_at(rules: Rules) -> None:
    with pytest.raises(TooLarge):
        await read_lines(_once(b"\n" * 10 + b"not json\n"), replace(rules, max_batch_bytes=10))


@pytest.mark.parametrize(
    "lines",
    [b"".join(A.replace(b'"a"', b'"%d"' % number) + b"\n" for number in range(10_000)), b"\n" * 50_000],
    ids=["requests", "blank"],
)
async def test_others_have_their_turn_while_many_lines_come_at_once(rules: Rules, lines: bytes) -> None:
    turns: list[int] = []

    async def other() -> None:
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    with pytest.raises(BadRequest):
        await read_lines(_once(lines + b"the end"), replace(rules, max_batch_bytes=10**7, max_requests=50_000))
    task.cancel()

    assert len(turns) > 1


async def test_nothing_is_read_after_20_broken_rules(rules: Rules) -> None:
    asked: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            asked.append(1)
            yield b"0\n"

    with pytest.raises(Invalid) as refusal:
        await read_lines(endless(), rules)

    assert (len(asked), len(refusal.value.errors)) == (20, 20)


async def test_a_sender_that_goes_away_is_not_mistaken_for_an_end(rules: Rules) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield A + b"\n"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await read_lines(broken(), rules)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
