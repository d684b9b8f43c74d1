import json

import pytest

from polling_api.webhooks.inbound import MalformedEvent, Repeats, ended_batch


def event(**changed: object) -> bytes:
    told = {"id": "evt_1", "object": "event", "created_at": 1, "type": "batch.completed", "data": {"id": "batch_1"}}
    return json.dumps(told | changed).encode()


@pytest.mark.parametrize("kind", ["batch.completed", "batch.failed", "batch.expired", "batch.cancelled"])
def test_an_event_about_a_batch_names_it(kind: str) -> None:
    assert ended_batch(event(type=kind)) == "batch_1"


@pytest.mark.parametrize("kind", ["response.completed", "batch.started", None, 7, ["batch.completed"]])
def test_other_events_are_about_nothing_here(kind: object) -> None:
    assert ended_batch(event(type=kind)) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"\xff",
        b"[" * 5000,
        event(data=None),
        event(data=[]),
        event(data={}),
        event(data={"id": None}),
        event(data={"id": ""}),
        event(data={"id": "batch 1"}),
        event(data={"id": "batch_\u0000"}),
        event(data={"id": "b" * 201}),
    ],
)
def test_what_is_no_event_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedEvent):
        ended_batch(body)


def test_the_last_messages_are_remembered_and_older_ones_forgotten() -> None:
    repeats = Repeats(most=2)

    for name in ("first", "second", "third"):
        repeats.add(name)

    assert [name in repeats for name in ("first", "second", "third")] == [False, True, True]
