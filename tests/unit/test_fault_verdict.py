"""The judge of the fault suite sees what it is there to see."""

from collections.abc import Sequence

import pytest

from faulting.verdict import Answer, Outcome, Seen, Sight, Transport, Truth, Version, Watched, judge

TRUE = (
    Version(1, "queued", 100.0),
    Version(2, "in_progress", 101.0),
    Version(3, "finalizing", 102.0),
    Version(4, "succeeded", 103.0),
)
TRUTH = Truth({"job": TRUE}, {"job": 1})


def watched(transport: Transport, versions: Sequence[int], answers: Sequence[Answer] = ()) -> Watched:
    """Somebody who saw these versions, each a tenth of a second after it was made."""
    sights = [Sight(TRUE[number - 1].made + 0.1, number, TRUE[number - 1].status) for number in versions]
    return Watched("job", transport, sights, list(answers))


def judged(*seen: Watched, accepted: Sequence[str] = (), truth: Truth = TRUTH) -> Outcome:
    return judge(Seen(seen, accepted, began=100.0, over=104.0), truth, lag=0.0, recovered=0.0)


@pytest.mark.parametrize("transport", Transport)
def test_whoever_sees_all_in_order_has_nothing_to_complain_of(transport: Transport) -> None:
    assert judged(watched(transport, [1, 2, 3, 4])).broken == {}


@pytest.mark.parametrize("transport", Transport)
def test_a_version_that_goes_back_is_counted(transport: Transport) -> None:
    assert judged(watched(transport, [1, 3, 2, 4])).went_back == 1


WHOLE = (Transport.STREAM, Transport.MANY_STREAMED, Transport.PAGES)
OTHERS = tuple(transport for transport in Transport if transport not in WHOLE)


@pytest.mark.parametrize("transport", WHOLE)
def test_where_all_is_shown_a_version_that_comes_twice_is_counted_and_so_is_a_status_that_does_not(
    transport: Transport,
) -> None:
    assert judged(watched(transport, [1, 2, 2, 3, 4])).broken == {"went_back": 1}
    assert judged(watched(transport, [1, 2, 4])).broken == {"missed": 1}
    assert judged(watched(transport, [2, 3, 4])).broken == {}  # one before its first is not missed


@pytest.mark.parametrize("transport", OTHERS)
def test_elsewhere_they_are_not(transport: Transport) -> None:
    assert judged(watched(transport, [1, 2, 2, 4])).broken == {}


@pytest.mark.parametrize(
    ("results", "broken"),
    [
        ([0, 1, 2], {}),
        ([0, 1], {"missed": 1, "undelivered": 1}),
        ([0, 1, 1, 2], {"went_back": 1}),
        ([0, 2, 1], {"went_back": 1}),
    ],
)
def test_results_are_read_each_once_and_in_order(results: list[int], broken: dict[str, int]) -> None:
    reader = watched(Transport.PAGES, [1, 2, 3, 4])
    reader.results, reader.items = results, 3

    assert judged(reader).broken == broken


@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize("versions", [[], [1, 2, 3]])
def test_an_end_that_did_not_come_is_counted(transport: Transport, versions: list[int]) -> None:
    assert judged(watched(transport, versions)).undelivered == 1


def test_a_second_batch_of_a_job_and_an_accepted_job_that_is_not_there_are_counted() -> None:
    truth = Truth({"job": TRUE}, {"job": 3})

    assert judged(accepted=["job", "lost"], truth=truth).broken == {"doubled": 2, "lost": 1}


def test_an_answer_is_as_stale_as_the_next_version_is_old_when_it_is_asked_for_unless_it_says_so() -> None:
    fresh, stale, marked = Answer(101.5, 0.01, 2), Answer(102.5, 0.01, 2), Answer(103.9, 0.01, 1, marked=True)

    assert judged(watched(Transport.POLL, [1, 2, 3, 4], [fresh, stale, marked])).stale == pytest.approx(0.5)


def test_only_polls_during_the_fault_make_its_errors_and_times() -> None:
    answers = [Answer(99.0, 9.0), *(Answer(101.0, 0.01, 1) for _ in range(3)), Answer(102.0, 2.0), Answer(105.0, 9.0)]

    outcome = judged(watched(Transport.POLL, [1, 2, 3, 4], answers))

    assert (outcome.errors, outcome.p99) == (0.25, 2.0)


def test_news_are_as_late_as_the_latest_on_a_stream_that_was_open() -> None:
    assert judged(watched(Transport.STREAM, [1, 2, 3, 4])).news == pytest.approx(0.1)
