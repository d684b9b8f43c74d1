"""What callers were told is not there: for some seconds, for so many, and not beyond a submit."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from in_process.caching import any_job
from in_process.clocks import Clock
from polling_api.domain.caller import ANYBODY, Caller
from polling_api.domain.job import new_job_id
from polling_api.hub import Notice
from polling_api.watch import Absences

ONE, OTHER = Caller("client_1", "key_1"), Caller("client_2", "key_2")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def absences(clock: Clock) -> Absences:
    return Absences(clock, told_for=5, most=10)


def test_a_denial_holds_for_its_caller_and_its_time(absences: Absences, clock: Clock) -> None:
    job_id = new_job_id()
    absences.add(ONE, [job_id])

    assert absences.has(ONE, job_id)
    assert not absences.has(OTHER, job_id)
    clock.now += 5
    assert not absences.has(ONE, job_id)


def test_a_submit_ends_the_denials_of_those_who_see_the_job(absences: Absences) -> None:
    job = any_job(client_id="client_1")
    for caller in (ONE, OTHER, ANYBODY):
        absences.add(caller, [job.id])

    absences.notice(Notice.of(job))

    assert [absences.has(caller, job.id) for caller in (ONE, OTHER, ANYBODY)] == [False, True, True]


def test_a_public_submit_ends_the_denials_of_everybody_who_may_see_it(absences: Absences) -> None:
    job = any_job()
    for caller in (ONE, ANYBODY):
        absences.add(caller, [job.id])

    absences.notice(Notice.of(job))

    assert [absences.has(caller, job.id) for caller in (ONE, ANYBODY)] == [True, False]


def test_what_happens_to_anothers_job_cannot_be_told_from_how_long_it_is_denied(
    absences: Absences, clock: Clock
) -> None:
    theirs, missing = any_job(client_id="client_2"), new_job_id()
    absences.add(ONE, [theirs.id, missing])

    absences.notice(Notice.of(any_job(2, job_id=theirs.id, client_id="client_2")))
    absences.notice(Notice.gone(theirs.id))

    for _ in range(6):
        assert absences.has(ONE, theirs.id) == absences.has(ONE, missing)
        clock.now += 1


def test_a_gap_ends_all_since_a_submit_may_have_been_missed(absences: Absences) -> None:
    job_id = new_job_id()
    absences.add(ONE, [job_id])

    absences.gap()

    assert not absences.has(ONE, job_id)
    assert len(absences) == 0


@settings(max_examples=30, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.sampled_from([ONE, OTHER, ANYBODY]), st.integers(0, 30)),
            st.tuples(st.just("wait"), st.integers(0, 3)),
            st.tuples(st.just("submit"), st.integers(0, 30)),
        ),
        max_size=40,
    )
)
def test_there_are_never_more_than_allowed_and_none_that_nobody_can_find(
    steps: list[tuple[Caller | str, int]],
) -> None:
    clock = Clock()
    absences, ids = Absences(clock, told_for=5, most=10), [new_job_id() for _ in range(31)]
    denied: dict[tuple[str, str], float] = {}
    for who, number in steps:
        job = any_job(job_id=ids[number], client_id="client_1")
        if isinstance(who, Caller):
            absences.add(who, [job.id])
            denied[who.name, job.id] = clock.now
        elif who == "wait":
            clock.now += number
        else:
            absences.notice(Notice.of(job))
            denied.pop(("client_1", job.id), None)

        assert len(absences) <= 10
        for caller in (ONE, OTHER, ANYBODY):
            told = [job_id for job_id in ids if absences.has(caller, job_id)]
            assert all(clock.now - denied.get((caller.name, job_id), -9) < 5 for job_id in told)
