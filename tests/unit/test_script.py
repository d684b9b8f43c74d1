import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.domain.job import TERMINAL, Status
from polling_api.domain.script import Script, Step, parse_script
from polling_api.errors import Invalid

GOOD = [
    ("succeeded", [Step(Status.SUCCEEDED)]),
    ("queued 0.2s, succeeded", [Step(Status.QUEUED, 0.2), Step(Status.SUCCEEDED)]),
    ("in_progress 0.05s,failed", [Step(Status.IN_PROGRESS, 0.05), Step(Status.FAILED)]),
    ("  in_progress  2s   @25% , expired  ", [Step(Status.IN_PROGRESS, 2, 25), Step(Status.EXPIRED, 0, 25)]),
    (
        "queued 0.2s, in_progress 2s @25%, in_progress 40s @90% fail=3, expired",
        [
            Step(Status.QUEUED, 0.2),
            Step(Status.IN_PROGRESS, 2, 25),
            Step(Status.IN_PROGRESS, 40, 90, 3),
            Step(Status.EXPIRED, 0, 90, 3),
        ],
    ),
    (
        "in_progress 1s fail=2, cancelled @50% fail=0",
        [Step(Status.IN_PROGRESS, 1, 0, 2), Step(Status.CANCELLED, 0, 50, 0)],
    ),
    ("in_progress 1s @100%, in_progress 1s @10%, cancelled", None),
    (",".join(["queued 0.05s"] * 49) + ", succeeded", None),
    ("in_progress 604800s, succeeded", None),
]

BAD = [
    ("", "Step 1"),
    (",", "Step 1"),
    ("succeeded,", "Step 1"),
    ("queued 1s", "terminal"),
    ("succeeded, succeeded", "Step 1"),
    ("failed 1s, succeeded", "Step 1"),
    ("queued, succeeded", "at least"),
    ("queued 0.04s, succeeded", "at least"),
    ("queued 604801s, succeeded", "at most"),
    ("queued -1s, succeeded", "Step 1"),
    ("queued 1, succeeded", "Step 1"),
    ("queued 1m, succeeded", "Step 1"),
    ("queued 1s, running 1s, succeeded", 'Step 2 of the script has no status of ours: "running"'),
    ("completed", "no status of ours"),
    ("QUEUED 1s, succeeded", "Step 1"),
    ("queued 1s @101%, succeeded", "101 percent"),
    ("queued 1s @-1%, succeeded", "Step 1"),
    ("queued 1s @5, succeeded", "Step 1"),
    ("queued 1s fail=x, succeeded", "Step 1"),
    ("queued @5% 1s, succeeded", "Step 1"),
    ("queued 1s fail=1 @5%, succeeded", "Step 1"),
    (",".join(["queued 1s"] * 50) + ", succeeded", "at most 50 steps, not 51"),
    ("queued 1s; succeeded", "Step 1"),
    ("queued\0 1s, succeeded", "Step 1"),
]


@pytest.mark.parametrize(("text", "steps"), GOOD)
def test_a_good_script_is_read(text: str, steps: list[Step] | None) -> None:
    script = parse_script(text)

    assert list(script.steps) == steps or steps is None
    assert script.steps[-1].status in TERMINAL


@pytest.mark.parametrize(("text", "told"), BAD)
def test_a_bad_script_is_refused_naming_the_step(text: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        parse_script(text)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        script = parse_script(text)
    except Invalid:
        return
    assert script.steps[-1].status in TERMINAL


def step_text(status: Status, tenths: int, percent: int, fail: int) -> str:
    return f"{status} {tenths / 10}s @{percent}% fail={fail}"


STEPS = st.builds(
    step_text,
    st.sampled_from(sorted(set(Status) - TERMINAL)),
    st.integers(1, 10_000),
    st.integers(0, 100),
    st.integers(0, 999_999),
)


@given(st.lists(STEPS, max_size=49), st.sampled_from(sorted(TERMINAL)))
def test_every_script_of_the_grammar_is_read(steps: list[str], last: Status) -> None:
    script = parse_script(", ".join([*steps, last]))

    assert len(script.steps) == len(steps) + 1


@pytest.mark.parametrize(
    ("elapsed", "status"),
    [
        (-1, Status.QUEUED),
        (0, Status.QUEUED),
        (0.99, Status.QUEUED),
        (1, Status.IN_PROGRESS),
        (2.99, Status.IN_PROGRESS),
        (3, Status.EXPIRED),
        (1e9, Status.EXPIRED),
    ],
)
def test_a_step_begins_where_the_one_before_ends(elapsed: float, status: Status) -> None:
    script = Script((Step(Status.QUEUED, 1), Step(Status.IN_PROGRESS, 2), Step(Status.EXPIRED)))

    assert script.at(elapsed).status is status
