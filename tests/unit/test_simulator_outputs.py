import json
from collections.abc import Mapping
from typing import Any

import pytest

from polling_api.providers.simulator.answers import answer
from polling_api.providers.simulator.course import BatchRecord, BatchState, BatchStatus, Counts, Pace
from polling_api.providers.simulator.outputs import error_file, output_file

BATCH = BatchRecord(
    id="batch_1",
    number=1,
    input_file_id="file-1",
    endpoint="/v1/chat/completions",
    created_at=0,
    total=100,
    pace=Pace(),
)
LINES = [
    json.dumps({"custom_id": f"film-{number}", "body": {"messages": [{"content": "The genre?"}]}}).encode()
    for number in range(100)
]


def ended(status: BatchStatus, done: int, failed: int) -> BatchState:
    return BatchState(status, Counts(done, failed), {}, 0)


def read(lines: Any) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    ("status", "done", "failed"),
    [
        ("completed", 100, 0),
        ("completed", 100, 7),
        ("completed", 100, 100),
        ("expired", 41, 3),
        ("cancelled", 0, 0),
    ],
)
def test_every_item_is_in_one_of_the_files(status: BatchStatus, done: int, failed: int) -> None:
    state = ended(status, done, failed)

    answers = read(output_file(BATCH, state, LINES))
    others = read(error_file(BATCH, state, LINES))

    assert len(answers) == done - failed
    assert sum(1 for line in others if line["response"]) == failed
    assert {line["custom_id"] for line in [*answers, *others]} == {f"film-{number}" for number in range(100)}


@pytest.mark.parametrize(("status", "code"), [("expired", "batch_expired"), ("cancelled", "batch_cancelled")])
def test_items_left_undone_say_why(status: BatchStatus, code: str) -> None:
    others = read(error_file(BATCH, ended(status, 90, 0), LINES))

    assert [line["error"]["code"] for line in others] == [code] * 10


def test_failures_are_spread_over_the_items() -> None:
    others = read(error_file(BATCH, ended("completed", 100, 4), LINES))

    assert sorted(int(line["custom_id"].removeprefix("film-")) for line in others) == [24, 49, 74, 99]


def test_a_file_is_the_same_each_time_and_not_in_the_order_of_the_input() -> None:
    state = ended("completed", 100, 0)

    first, second = list(output_file(BATCH, state, LINES)), list(output_file(BATCH, state, LINES))

    assert first == second
    assert [line["custom_id"] for line in read(first)][:2] == ["film-7", "film-6"]


def test_a_film_is_given_a_genre_of_one_word() -> None:
    words = {
        line["response"]["body"]["choices"][0]["message"]["content"]
        for line in read(output_file(BATCH, ended("completed", 100, 0), LINES))
    }

    assert len(words) > 5
    assert all(word.isalpha() for word in words)


@pytest.mark.parametrize(
    ("endpoint", "request_body", "kind"),
    [
        (
            "/v1/chat/completions",
            {"model": "m", "messages": [{"content": [{"type": "text", "text": "hi"}]}]},
            "chat.completion",
        ),
        ("/v1/responses", {"input": "hi"}, "response"),
        ("/v1/responses", {"input": [{"role": "user", "content": "hi"}]}, "response"),
        ("/v1/completions", {"prompt": "hi"}, "text_completion"),
        ("/v1/embeddings", {"input": ["a", "b"], "dimensions": 4}, "list"),
        ("/v1/chat/completions", {"messages": "nonsense"}, "chat.completion"),
        ("/v1/embeddings", {"input": None, "dimensions": "many"}, "list"),
    ],
)
def test_each_endpoint_has_its_own_kind_of_answer(endpoint: str, request_body: dict[str, Any], kind: str) -> None:
    assert answer(endpoint, request_body, seed="s", created=1)["object"] == kind


def test_an_embedding_has_the_dimensions_that_were_asked_for() -> None:
    body = answer("/v1/embeddings", {"input": ["a", "b"], "dimensions": 4}, seed="s", created=1)

    assert [len(entry["embedding"]) for entry in body["data"]] == [4, 4]


def test_as_many_images_are_made_as_were_asked_for() -> None:
    body = answer("/v1/images/generations", {"prompt": "a cat", "n": 3}, seed="s", created=1)

    assert len(body["data"]) == 3
