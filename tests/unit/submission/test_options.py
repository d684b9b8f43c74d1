from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import orjson
import pytest

from polling_api.api.submission import Draft, Rules, read_json
from polling_api.errors import Invalid

Submit = Callable[[bytes], Awaitable[Draft]]


def with_options(**options: object) -> bytes:
    return orjson.dumps({"requests": [{"custom_id": "a", "body": {}}], **options})


async def test_metadata_is_kept(submit_json: Submit) -> None:
    draft = await submit_json(with_options(metadata={"k": "v", "ключ": "значение"}))

    assert draft.metadata == {"k": "v", "ключ": "значение"}


async def test_metadata_may_be_as_large_as_the_contract_says(submit_json: Submit) -> None:
    metadata = {f"{number:064}": "é" * 512 for number in range(15)}

    draft = await submit_json(with_options(metadata=metadata))

    assert draft.metadata == metadata


@pytest.mark.parametrize(
    ("metadata", "pointer"),
    [
        ({str(number): "" for number in range(16)}, "/metadata"),
        ([], "/metadata"),
        ("text", "/metadata"),
        ({"k" * 65: "v"}, "/metadata/" + "k" * 60 + "…"),
        ({"": "v"}, "/metadata/"),
        ({"k": "v" * 513}, "/metadata/k"),
        ({"k": 1}, "/metadata/k"),
        ({"k": None}, "/metadata/k"),
        ({"k": {"n": "v"}}, "/metadata/k"),
    ],
)
async def test_metadata_that_breaks_a_rule_is_refused(submit_json: Submit, metadata: object, pointer: str) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_json(with_options(metadata=metadata))

    assert refusal.value.code == "invalid_request"
    assert [error.pointer for error in refusal.value.errors] == [pointer]


@pytest.mark.parametrize("metadata", [{"k": "a\0b"}, {"a\0b": "v"}])
async def test_metadata_with_a_null_character_is_refused(submit_json: Submit, metadata: object) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_json(with_options(metadata=metadata))

    assert refusal.value.code == "null_character"


@pytest.mark.parametrize("seconds", [0.001, 1, 604_800])
async def test_a_deadline_within_a_week_is_taken(submit_json: Submit, seconds: float) -> None:
    draft = await submit_json(with_options(expires_in=seconds))

    assert draft.expires_in == seconds


@pytest.mark.parametrize(
    "seconds", [b"0", b"-1", b"604800.1", b'"60"', b"true", b"[60]", b"1e400", b"1e-400", b"9" * 5000]
)
async def test_any_other_deadline_is_refused(submit_json: Submit, seconds: bytes) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_json(b'{"requests":[{"custom_id":"a","body":{}}],"expires_in":%s}' % seconds)

    assert [error.pointer for error in refusal.value.errors] == ["/expires_in"]


@pytest.mark.parametrize(
    ("endpoint", "code"),
    [("/v1/audio", "unknown_endpoint"), ("", "unknown_endpoint"), (3, "invalid_request")],
)
async def test_an_endpoint_that_is_not_known_is_refused(submit_json: Submit, endpoint: object, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_json(with_options(endpoint=endpoint))

    assert refusal.value.code == code
    assert [error.pointer for error in refusal.value.errors] == ["/endpoint"]


async def test_a_script_is_kept_in_the_metadata(submit_json: Submit) -> None:
    draft = await submit_json(with_options(metadata={"simulator": "queued 0.2s, succeeded"}))

    assert draft.metadata == {"simulator": "queued 0.2s, succeeded"}


async def test_a_bad_script_is_refused_at_its_place(submit_json: Submit) -> None:
    with pytest.raises(Invalid) as refusal:
        await submit_json(with_options(metadata={"simulator": "dance 2s, succeeded"}))

    assert refusal.value.code == "bad_script"
    assert [error.pointer for error in refusal.value.errors] == ["/metadata/simulator"]
    assert "dance" in refusal.value.errors[0].message


async def test_a_script_for_a_real_provider_is_refused(rules: Rules) -> None:
    with pytest.raises(Invalid) as refusal:
        await read_json(_once(with_options(metadata={"simulator": "succeeded"})), replace(rules, simulated=False))

    assert refusal.value.code == "script_without_simulator"
    assert [error.pointer for error in refusal.value.errors] == ["/metadata/simulator"]


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
