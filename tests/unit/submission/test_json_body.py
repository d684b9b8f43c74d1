from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from polling_api.api.submission import Draft, Rules, read_json
from polling_api.errors import BadRequest, FieldError, Invalid, TooLarge

Submit = Callable[[bytes], Awaitable[Draft]]

EMPTY_BODY = b'{"custom_id":"a","body":{}}'


async def test_requests_come_back_in_the_order_of_submission(submit_json: Submit) -> None:
    draft = await submit_json(b'{"requests":[{"custom_id":"b","body":{"x":1}},{"body":{},"custom_id":"a"}]}')

    assert list(draft.requests()) == [("b", '{"x":1}'), ("a", "{}")]


async def test_requests_can_be_read_twice(submit_json: Submit) -> None:
    draft = await submit_json(b'{"requests":[%s]}' % EMPTY_BODY)

    assert list(draft.requests()) == list(draft.requests())


async def test_the_total_is_the_number_of_requests(submit_json: Submit) -> None:
    draft = await submit_json(b'{"requests":[%s,{"custom_id":"b","body":{}}]}' % EMPTY_BODY)

    assert draft.total == 2


async def test_the_first_endpoint_is_the_default(submit_json: Submit) -> None:
    draft = await submit_json(b'{"requests":[%s]}' % EMPTY_BODY)

    assert draft.endpoint == "/v1/chat/completions"


async def test_what_is_null_is_not_given(submit_json: Submit) -> None:
    draft = await submit_json(b'{"requests":[%s],"endpoint":null,"metadata":null,"expires_in":null}' % EMPTY_BODY)

    assert (draft.endpoint, draft.metadata, draft.expires_in) == ("/v1/chat/completions", {}, None)


async def test_an_endpoint_can_be_chosen(submit_json: Submit) -> None:
    draft = await submit_json(b'{"requests":[%s],"endpoint":"/v1/embeddings"}' % EMPTY_BODY)

    assert draft.endpoint == "/v1/embeddings"


async def test_line_breaks_between_the_tokens_of_a_body_become_spaces(submit_json: Submit) -> None:
    draft = await submit_json(b'{"requests":[{"custom_id":"a","body": {\r\n  "text": "one\\ntwo"\n} }]}')

    assert list(draft.requests()) == [("a", '{    "text": "one\\ntwo" }')]


async def test_an_empty_batch_is_refused(submit_json: Submit) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_json(b'{"requests":[]}')

    assert refusal.value.code == "empty_batch"


async def test_a_batch_without_requests_is_refused_at_their_place(submit_json: Submit) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_json(b"{}")

    assert refusal.value.errors == (FieldError("/requests", "An array of requests is expected here."),)


async def test_one_request_too_many_is_refused_at_its_place(submit_json: Submit) -> None:
    requests = b",".join(b'{"custom_id":"%d","body":{}}' % number for number in range(101))

    with pytest.raises(Invalid) as refusal:
        await submit_json(b'{"requests":[%s]}' % requests)

    assert refusal.value.code == "too_many_requests_in_batch"
    assert refusal.value.errors[0].pointer == "/requests/100"


async def test_as_many_requests_as_allowed_are_taken(submit_json: Submit) -> None:
    requests = b",".join(b'{"custom_id":"%d","body":{}}' % number for number in range(100))

    draft = await submit_json(b'{"requests":[%s]}' % requests)

    assert draft.total == 100


async def test_a_duplicate_custom_id_names_both_places(submit_json: Submit) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_json(b'{"requests":[%s,{"custom_id":"b","body":{}},%s]}' % (EMPTY_BODY, EMPTY_BODY))

    assert refusal.value.code == "duplicate_custom_id"
    assert refusal.value.errors == (
        FieldError(
            "/requests/2/custom_id",
            '"a" is the custom_id at /requests/0/custom_id and at /requests/2/custom_id.',
        ),
    )


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"[]", ""),
        (b'"text"', ""),
        (b'{"requests":{}}', "/requests"),
        (b'{"requests":null}', "/requests"),
        (b'{"requests":[3]}', "/requests/0"),
        (b'{"requests":[{"body":{}}]}', "/requests/0/custom_id"),
        (b'{"requests":[{"custom_id":3,"body":{}}]}', "/requests/0/custom_id"),
        (b'{"requests":[{"custom_id":"","body":{}}]}', "/requests/0/custom_id"),
        (b'{"requests":[{"custom_id":"%s","body":{}}]}' % (b"x" * 513), "/requests/0/custom_id"),
        (b'{"requests":[{"custom_id":"a"}]}', "/requests/0/body"),
        (b'{"requests":[{"custom_id":"a","body":null}]}', "/requests/0/body"),
        (b'{"requests":[{"custom_id":"a","body":[]}]}', "/requests/0/body"),
        (b'{"requests":[{"custom_id":"a","body":"{}"}]}', "/requests/0/body"),
    ],
)
async def test_a_wrong_shape_is_refused_at_its_place(submit_json: Submit, body: bytes, pointer: str) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_json(body)

    assert refusal.value.code == "invalid_request"
    assert [error.pointer for error in refusal.value.errors] == [pointer]


async def test_a_custom_id_may_have_512_characters(submit_json: Submit) -> None:
    custom_id = "é" * 512

    draft = await submit_json(b'{"requests":[{"custom_id":"%s","body":{}}]}' % custom_id.encode())

    assert list(draft.requests()) == [(custom_id, "{}")]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"requests":[%s],"callback":{}}' % EMPTY_BODY, "/callback"),
        (b'{"requests":[%s],"a/b~":1}' % EMPTY_BODY, "/a~1b~0"),
        (b'{"requests":[{"custom_id":"a","body":{},"model":"x"}]}', "/requests/0/model"),
    ],
)
async def test_an_unknown_field_is_refused_by_name(submit_json: Submit, body: bytes, pointer: str) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_json(body)

    assert refusal.value.code == "unknown_field"
    assert [error.pointer for error in refusal.value.errors] == [pointer]


async def test_several_broken_rules_are_told_at_once(submit_json: Submit) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_json(b'{"requests":[{"custom_id":1,"body":2}],"expires_in":0,"colour":"red"}')

    assert refusal.value.code == "invalid_request"
    assert [error.pointer for error in refusal.value.errors] == [
        "/colour",
        "/expires_in",
        "/requests/0/custom_id",
        "/requests/0/body",
    ]


async def test_different_broken_rules_share_the_general_code(submit_json: Submit) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_json(b'{"requests":[%s],"endpoint":"/v1/audio","colour":"red"}' % EMPTY_BODY)

    assert refusal.value.code == "invalid_request"


async def test_no_more_than_20_broken_rules_are_told(submit_json: Submit) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_json(b'{"requests":[%s]}' % b",".join([b"0"] * 50))

    assert len(refusal.value.errors) == 20


async def test_the_detail_names_the_place(submit_json: Submit) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_json(b'{"requests":[{"custom_id":"a","body":2}]}')

    assert refusal.value.detail == "/requests/0/body: An object is expected here."


async def test_a_long_name_is_cut_before_it_is_repeated(submit_json: Submit) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_json(b'{"requests":[%s],"%s":1}' % (EMPTY_BODY, b"x" * 5000))

    assert refusal.value.errors[0].pointer == "/" + "x" * 60 + "…"


async def test_a_body_of_just_the_bound_is_read(submit_json: Submit) -> None:
    body = b'{"requests":[%s]}' % EMPTY_BODY

    draft = await submit_json(body + b" " * (100_000 - len(body)))

    assert draft.total == 1


async def test_one_byte_too_many_is_too_large(submit_json: Submit) -> None:
    body = b'{"requests":[%s]}' % EMPTY_BODY

    with pytest.raises(TooLarge) as refusal:
        await submit_json(body + b" " * (100_001 - len(body)))

    assert refusal.value.code == "body_too_large"


async def test_nothing_is_read_after_the_bound_is_passed(rules: Rules) -> None:
    asked: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            asked.append(1)
            yield b" " * 60_000

    with pytest.raises(TooLarge):
        await read_json(endless(), rules)

    assert len(asked) == 2


async def test_a_sender_that_goes_away_is_not_mistaken_for_an_end(rules: Rules) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b'{"requests":[%s]}' % EMPTY_BODY
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await read_json(broken(), rules)


async def test_of_two_members_with_one_name_the_last_one_counts(submit_json: Submit) -> None:
    draft = await submit_json(b'{"requests":[{"custom_id":"a","custom_id":"b","body":1,"body":{"x":1,"x":2}}]}')

    assert list(draft.requests()) == [("b", '{"x":1,"x":2}')]


@pytest.mark.parametrize("body", [b"", b" ", b'{"requests":[', b'{"requests":[]}x', b"not json", b"[1,"])
async def test_what_is_no_json_is_malformed(submit_json: Submit, body: bytes) -> None:
    with pytest.raises(BadRequest) as refusal:
        await submit_json(body)

    assert refusal.value.code == "malformed_json"
    assert refusal.value.detail.startswith("The body is not JSON: ")
