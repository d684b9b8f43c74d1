from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.providers.simulator.course import (
    TERMINAL,
    BatchRecord,
    Counts,
    InputError,
    Pace,
    cancelled,
    state_at,
)

BORN = 1_700_000_000.25
PACE = Pace(validating=2, running=10, finalizing=3, cancelling=1, failing=0.1)
BATCH = BatchRecord(
    id="batch_1",
    number=1,
    input_file_id="file-1",
    endpoint="/v1/completions",
    created_at=BORN,
    total=200,
    pace=PACE,
)
SCRIPTED = replace(BATCH, metadata={"simulator": "queued 1s, in_progress 2s @25%, in_progress 4s @90% fail=3, expired"})


@pytest.mark.parametrize(
    ("elapsed", "status", "counts"),
    [
        (-5, "validating", Counts()),
        (0, "validating", Counts()),
        (1.99, "validating", Counts()),
        (2, "in_progress", Counts()),
        (7, "in_progress", Counts(100, 10)),
        (11.5, "in_progress", Counts(190, 19)),
        (12, "finalizing", Counts(200, 20)),
        (15, "completed", Counts(200, 20)),
        (1e6, "completed", Counts(200, 20)),
    ],
)
def test_a_batch_without_a_script_makes_even_progress(elapsed: float, status: str, counts: Counts) -> None:
    state = state_at(BATCH, BORN + elapsed)

    assert (state.status, state.counts) == (status, counts)


@pytest.mark.parametrize(
    ("elapsed", "status", "counts"),
    [
        (0, "validating", Counts()),
        (1, "in_progress", Counts(50)),
        (2.9, "in_progress", Counts(50)),
        (3, "in_progress", Counts(180, 3)),
        (6.9, "in_progress", Counts(180, 3)),
        (7, "expired", Counts(180, 3)),
    ],
)
def test_a_script_jumps_at_the_start_of_a_step_and_stays(elapsed: float, status: str, counts: Counts) -> None:
    state = state_at(SCRIPTED, BORN + elapsed)

    assert (state.status, state.counts) == (status, counts)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("queued", "validating"),
        ("submitting", "validating"),
        ("in_progress", "in_progress"),
        ("finalizing", "finalizing"),
        ("cancelling", "cancelling"),
    ],
)
def test_our_words_become_the_provider_s(word: str, status: str) -> None:
    record = replace(BATCH, metadata={"simulator": f"{word} 1s, succeeded"})

    assert state_at(record, BORN).status == status


def test_success_means_that_every_item_has_an_outcome() -> None:
    record = replace(BATCH, metadata={"simulator": "in_progress 1s @10% fail=500, succeeded"})

    assert state_at(record, BORN).counts == Counts(20, 20)
    assert state_at(record, BORN + 1).counts == Counts(200, 200)


def test_a_batch_knows_in_which_second_it_entered_each_status() -> None:
    state = state_at(BATCH, BORN + 60)

    assert state.entered == {
        "validating": 1_700_000_000,
        "in_progress": 1_700_000_002,
        "finalizing": 1_700_000_012,
        "completed": 1_700_000_015,
    }


def test_a_batch_expires_after_the_window_unless_its_script_says_when() -> None:
    assert state_at(BATCH, BORN).expires_at == 1_700_086_401
    assert state_at(SCRIPTED, BORN).expires_at == 1_700_000_008


def test_a_cancelled_batch_keeps_what_was_done_by_then() -> None:
    record = cancelled(BATCH, BORN + 7)

    states = [state_at(record, BORN + elapsed) for elapsed in (6, 7, 7.9, 8, 100)]

    assert [state.status for state in states] == [
        "in_progress", "cancelling", "cancelling", "cancelled", "cancelled",
    ]  # fmt: skip
    assert [state.counts for state in states[1:]] == [Counts(100, 10)] * 4


def test_a_cancel_is_asked_for_once() -> None:
    record = cancelled(BATCH, BORN + 7)

    assert cancelled(record, BORN + 7.5) is record


def test_an_ended_batch_is_not_cancelled() -> None:
    assert cancelled(BATCH, BORN + 15) is BATCH


def test_a_faulty_input_fails_the_batch_after_it_was_validated() -> None:
    record = replace(SCRIPTED, errors=[InputError("invalid_json_line", "no JSON", 37)])

    assert state_at(record, BORN + 1.9).status == "validating"
    assert state_at(record, BORN + 2).status == "failed"


SCRIPTS = st.sampled_from([None, SCRIPTED.metadata["simulator"], "in_progress 3s @50%, finalizing 1s, succeeded"])


@given(SCRIPTS, st.none() | st.floats(0, 20), st.lists(st.floats(0, 40), min_size=2))
def test_what_is_done_never_becomes_less_and_an_end_is_an_end(
    script: str | None, cancel_after: float | None, looks: list[float]
) -> None:
    record = replace(BATCH, metadata={"simulator": script} if script else {})
    record = record if cancel_after is None else cancelled(record, BORN + cancel_after)

    states = [state_at(record, BORN + elapsed) for elapsed in sorted(looks)]

    assert [state.counts.done for state in states] == sorted(state.counts.done for state in states)
    assert all(0 <= state.counts.failed <= state.counts.done <= 200 for state in states)
    ended = [state.status for state in states if state.status in TERMINAL]
    assert len(set(ended)) <= 1
    assert [state.status for state in states[len(states) - len(ended) :]] == ended
