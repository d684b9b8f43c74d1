"""Contract: a submit that breaks a rule is refused with the place named, and nothing of it is stored."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest

from running.figures import figure, until_figure
from running.jobs import QUICK, SET, batch
from running.stored import Store

JSON = "application/json"
LINES = "application/x-ndjson"
REQUEST: dict[str, Any] = {"custom_id": "a", "body": {}}
LINE: dict[str, Any] = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {}}
MEBIBYTE = 1024 * 1024
# A body, and the code and place (or how that begins) of the rule that it breaks.
BROKEN_RULES: list[tuple[Any, str, str]] = [
    ({}, "invalid_request", "/requests"),
    ([], "invalid_request", ""),
    ({"requests": {}}, "invalid_request", "/requests"),
    ({"requests": []}, "empty_batch", ""),
    ({"requests": [REQUEST, REQUEST]}, "duplicate_custom_id", "/requests/1"),
    ({"requests": [REQUEST, {"body": {}}]}, "invalid_request", "/requests/1/custom_id"),
    ({"requests": [{"custom_id": 7, "body": {}}]}, "invalid_request", "/requests/0/custom_id"),
    ({"requests": [{"custom_id": "", "body": {}}]}, "invalid_request", "/requests/0/custom_id"),
    ({"requests": [{"custom_id": "a"}]}, "invalid_request", "/requests/0/body"),
    ({"requests": [{"custom_id": "a", "body": "text"}]}, "invalid_request", "/requests/0/body"),
    ({"requests": [REQUEST, "text"]}, "invalid_request", "/requests/1"),
    ({"requests": [REQUEST | {"model": "x"}]}, "unknown_field", "/requests/0/model"),
    ({"requests": [REQUEST], "expire_in": 5}, "unknown_field", "/expire_in"),
    ({"requests": [REQUEST], "endpoint": "/v1/images"}, "unknown_endpoint", "/endpoint"),
    ({"requests": [REQUEST], "endpoint": 7}, "invalid_request", "/endpoint"),
    ({"requests": [REQUEST], "expires_in": 0}, "invalid_request", "/expires_in"),
    ({"requests": [REQUEST], "expires_in": "60"}, "invalid_request", "/expires_in"),
    ({"requests": [REQUEST], "metadata": []}, "invalid_request", "/metadata"),
    ({"requests": [REQUEST], "metadata": {"a": 1}}, "invalid_request", "/metadata/a"),
    ({"requests": [REQUEST], "metadata": {"k" * 65: "v"}}, "invalid_request", f"/metadata/{'k' * 60}…"),
    ({"requests": [REQUEST], "metadata": {"a": "v" * 513}}, "invalid_request", "/metadata/a"),
    ({"requests": [REQUEST], "metadata": dict.fromkeys("abcdefghijklmnop", "")}, "invalid_request", "/metadata"),
    ({"requests": [REQUEST], "metadata": {"simulator": "soon"}}, "bad_script", "/metadata/simulator"),
    ({"requests": [REQUEST], "metadata": {"a": "\0"}}, "null_character", "/metadata/a"),
]


def lines(*some: dict[str, Any] | bytes) -> bytes:
    """Lines as they are sent; bytes stay as they are."""
    return b"\n".join(one if isinstance(one, bytes) else orjson.dumps(one) for one in some)


def thirty_six() -> list[dict[str, Any]]:
    """As many good lines."""
    return [LINE | {"custom_id": f"good-{number}"} for number in range(36)]


async def refused(
    client: httpx.AsyncClient, store: Store, body: bytes, media_type: str = JSON, **query: str
) -> httpx.Response:
    """The answer to a submit, after making sure that it left nothing behind."""
    before = await store.submitted()
    answer = await client.post(SET, content=body, headers={"Content-Type": media_type}, params=query)
    assert await store.submitted() == before
    return answer


def places(answer: httpx.Response) -> list[str]:
    """Where the broken rules are."""
    return [error["pointer"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(("body", "code", "place"), BROKEN_RULES)
async def test_a_json_batch_that_breaks_a_rule_is_422_and_names_the_place(
    client: httpx.AsyncClient, store: Store, body: Any, code: str, place: str
) -> None:
    answer = await refused(client, store, orjson.dumps(body))

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert places(answer)[0].startswith(place)


@pytest.mark.parametrize(
    "script",
    [
        "",
        "succeeded,",
        "in_progress 1s",
        "in_progress 0.04s, succeeded",
        "done 1s, succeeded",
        "in_progress 1s @101%, succeeded",
        "succeeded, failed",
        ",".join(["queued 1s"] * 50 + ["succeeded"]),
    ],
)
async def test_a_bad_script_is_422(client: httpx.AsyncClient, store: Store, script: str) -> None:
    answer = await refused(client, store, orjson.dumps(batch(script=script)))

    assert (answer.status_code, answer.json()["code"]) == (422, "bad_script")


@pytest.mark.parametrize(
    ("thirty_seventh", "status", "code"),
    [
        (b"no json", 400, "malformed_json"),
        (b'{"custom_id":"a"', 400, "malformed_json"),
        (b"[]", 422, "invalid_request"),
        (LINE | {"custom_id": "good-3"}, 422, "duplicate_custom_id"),
        (LINE | {"url": "/v1/embeddings"}, 422, "different_endpoints"),
        (LINE | {"method": "GET"}, 422, "invalid_request"),
        (LINE | {"body": 7}, 422, "invalid_request"),
        (LINE | {"model": "x"}, 422, "unknown_field"),
        ({"object": "job.options", "metadata": {}}, 422, "invalid_request"),
    ],
)
async def test_line_37_is_named_when_it_is_wrong(
    client: httpx.AsyncClient, store: Store, thirty_seventh: dict[str, Any] | bytes, status: int, code: str
) -> None:
    body = lines(*thirty_six(), thirty_seventh, LINE | {"custom_id": "last"})

    answer = await refused(client, store, body, LINES)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert {place.split(" /")[0] for place in places(answer)} == {"line 37"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"requests":[NaN]}', b"\xff\xfe{}", b"\xef\xbb\xbf{}", b'{"requests":[]}x', b'{"a":"\\ud83d"}'],
)
async def test_malformed_json_is_400(client: httpx.AsyncClient, store: Store, body: bytes) -> None:
    answer = await refused(client, store, body)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


async def test_an_empty_batch_of_lines_is_422(client: httpx.AsyncClient, store: Store) -> None:
    answer = await refused(client, store, b"\n", LINES)

    assert (answer.status_code, answer.json()["code"]) == (422, "empty_batch")


@pytest.mark.parametrize("media_type", ["text/plain", "multipart/form-data; boundary=x", "application/jsonl", ""])
async def test_a_wrong_or_missing_content_type_is_415(client: httpx.AsyncClient, store: Store, media_type: str) -> None:
    answer = await refused(client, store, orjson.dumps(batch()), media_type)

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_one_byte_over_4_mb_of_json_is_413(client: httpx.AsyncClient, store: Store) -> None:
    empty = orjson.dumps({"requests": [{"custom_id": "a", "body": {"filler": ""}}], "metadata": {"simulator": QUICK}})
    full = empty.replace(b'"filler":""', b'"filler":"%s"' % (b"x" * (4 * MEBIBYTE - len(empty))))

    whole = await client.post(SET, content=full, headers={"Content-Type": JSON}, timeout=30)
    answer = await refused(client, store, full + b" ")

    assert whole.status_code == 202
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_a_line_over_1_mb_is_413_and_named(client: httpx.AsyncClient, store: Store) -> None:
    long = lines(LINE | {"body": {"filler": "x" * MEBIBYTE}})

    answer = await refused(client, store, lines(LINE | {"custom_id": "b"}, long), LINES)

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert "Line 2 " in answer.json()["detail"]


async def test_one_request_over_50_000_is_422_and_named(client: httpx.AsyncClient, store: Store) -> None:
    good = orjson.dumps(LINE | {"custom_id": "number"})
    body = b"\n".join(good.replace(b"number", b"%d" % number) for number in range(50_001))

    answer = await refused(client, store, body, LINES)

    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_requests_in_batch")
    assert places(answer) == ["line 50001"]


@pytest.mark.parametrize("wait", ["soon", "-1", "1.5"])
async def test_a_bad_wait_is_422_before_anything_is_stored(client: httpx.AsyncClient, store: Store, wait: str) -> None:
    answer = await refused(client, store, orjson.dumps(batch()), wait=wait)

    assert answer.status_code == 422
    assert places(answer) == ["?wait"]


async def test_an_upload_that_breaks_off_leaves_nothing(client: httpx.AsyncClient, store: Store) -> None:
    async def cut() -> AsyncIterator[bytes]:
        yield lines(*thirty_six()) + b"\n"
        raise ConnectionAbortedError

    before = await store.submitted()
    answered = await figure(client, "polling_request_seconds_count", route=SET, outcome="400")

    with pytest.raises(ConnectionAbortedError):
        await client.post(SET, content=cut(), headers={"Content-Type": LINES})

    # Nobody hears the answer, but it is counted once the service has noticed.
    await until_figure(client, answered + 1, "polling_request_seconds_count", route=SET, outcome="400")
    assert await store.submitted() == before


async def test_all_that_is_wrong_is_told_at_once(client: httpx.AsyncClient, store: Store) -> None:
    body: dict[str, Any] = {"requests": [REQUEST, {}], "endpoint": "/v1/nothing", "expires_in": -1}

    answer = await refused(client, store, orjson.dumps(body))

    assert {"/endpoint", "/expires_in", "/requests/1/custom_id", "/requests/1/body"} <= set(places(answer))
