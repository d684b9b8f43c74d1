import json
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.domain.job import JobError, Outcome, Status
from polling_api.providers.openai.lines import LineReader, Overlong
from polling_api.providers.openai.wire import read_batch, read_json, read_result, seconds_to_wait
from polling_api.providers.protocol import Unanswered

NOW = datetime(2026, 11, 23, 9, 0, 0, tzinfo=UTC)


def batch(**changed: object) -> dict[str, object]:
    return {"id": "batch_1", "status": "in_progress", **changed}


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("validating", Status.SUBMITTING),
        ("in_progress", Status.IN_PROGRESS),
        ("finalizing", Status.FINALIZING),
        ("cancelling", Status.CANCELLING),
        ("completed", Status.SUCCEEDED),
        ("failed", Status.FAILED),
        ("expired", Status.EXPIRED),
        ("cancelled", Status.CANCELLED),
    ],
)
def test_each_status_of_the_provider_has_one_of_ours(word: str, status: Status) -> None:
    assert read_batch(batch(status=word)).observed.status is status


@pytest.mark.parametrize(
    "garbled",
    [
        None,
        [],
        "batch",
        {},
        batch(status="paused"),
        batch(status=None),
        batch(status=["completed"]),
        batch(id=None),
        batch(id=7),
        batch(id=""),
    ],
)
def test_a_batch_without_id_or_known_status_is_no_answer(garbled: object) -> None:
    with pytest.raises(Unanswered):
        read_batch(garbled)


@pytest.mark.parametrize(
    ("counts", "read"),
    [
        ({"total": 10, "completed": 4, "failed": 1}, (4, 1)),
        ({"total": 0, "completed": 0, "failed": 0}, (0, 0)),
        ({"total": 10, "completed": 10, "failed": 1}, (None, None)),
        ({"total": 10, "completed": -1, "failed": 1}, (None, None)),
        ({"total": 10, "completed": True, "failed": 1}, (None, None)),
        ({"total": 10, "completed": 1.5, "failed": 1}, (None, None)),
        ({"total": 10, "completed": 1}, (None, None)),
        (None, (None, None)),
        ("many", (None, None)),
    ],
)
def test_counts_are_sane_or_unknown(counts: object, read: tuple[int | None, int | None]) -> None:
    observed = read_batch(batch(request_counts=counts)).observed

    assert (observed.completed, observed.failed) == read


@pytest.mark.parametrize(
    ("errors", "read"),
    [
        (
            {"data": [{"code": "invalid_json_line", "message": "No JSON.", "line": 37}, {"code": "other"}]},
            JobError("invalid_json_line", "Line 37: No JSON."),
        ),
        (
            {"data": [{"code": "empty_file", "message": "Empty.", "line": None}]},
            JobError("empty_file", "Empty."),
        ),
        ({"data": [{"code": "a\0b", "message": "c\ud800"}]}, JobError("ab", "c?")),
        ({"data": []}, JobError("upstream_failed", "The provider gave no reason.")),
        ({"data": "x"}, JobError("upstream_failed", "The provider gave no reason.")),
        (None, JobError("upstream_failed", "The provider gave no reason.")),
    ],
)
def test_a_failed_batch_says_why(errors: object, read: JobError) -> None:
    assert read_batch(batch(status="failed", errors=errors)).error == read


@pytest.mark.parametrize(
    ("told", "read"),
    [
        (1_700_000_000, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (10**20, None),
        (float("nan"), None),
        ("soon", None),
        (True, None),
        (None, None),
    ],
)
def test_a_deadline_is_a_moment_or_unknown(told: object, read: datetime | None) -> None:
    assert read_batch(batch(expires_at=told)).observed.expires_at == read


@pytest.mark.parametrize("metadata", [None, [], "x", {}, {"polling_job_id": 7}])
def test_a_batch_of_others_has_no_job_of_ours(metadata: object) -> None:
    assert read_batch(batch(metadata=metadata)).job_id is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["id", "status", "errors", "data"]), inner),
    )
)
def test_whatever_is_told_is_read_or_no_answer(told: object) -> None:
    try:
        read_batch(told)
    except Unanswered:
        return


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("1.5", 1.5),
        ("999999999", 3600),
        ("9" * 5000, 3600),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 3600),
        ("-1", None),
        ("nan", None),
        ("1e3", None),
        ("soon", None),
        ("", None),
        ("Mon, 23 Nov 2026 09:00:30 GMT", 30),
        ("Mon, 23 Nov 2026 08:00:00 GMT", 0),
        ("Tue, 24 Nov 2026 09:00:00 GMT", 3600),
        ("Mon, 99 Nov 2026 09:00:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert seconds_to_wait(header, now=NOW) == seconds


def line(**members: object) -> bytes:
    return json.dumps({"custom_id": "a", "response": None, "error": None, **members}).encode()


@pytest.mark.parametrize(
    ("told", "outcome", "error"),
    [
        (line(response={"status_code": 200, "body": {"x": 1}}), Outcome.COMPLETED, None),
        (
            line(response={"status_code": 400, "body": {"error": {"code": "bad", "message": "No."}}}),
            Outcome.FAILED,
            JobError("bad", "No."),
        ),
        (
            line(
                response={
                    "status_code": 400,
                    "body": {"error": {"code": None, "type": "invalid", "message": "No."}},
                }
            ),
            Outcome.FAILED,
            JobError("invalid", "No."),
        ),
        (
            line(response={"status_code": 503, "body": "down"}),
            Outcome.FAILED,
            JobError("http_503", "The provider gave no reason."),
        ),
        (
            line(error={"code": "batch_expired", "message": "Late."}),
            Outcome.EXPIRED,
            JobError("batch_expired", "Late."),
        ),
        (
            line(error={"code": "batch_cancelled", "message": "Off."}),
            Outcome.CANCELLED,
            JobError("batch_cancelled", "Off."),
        ),
        (
            line(error={"code": "other", "message": "x"}, response={"status_code": 200, "body": {}}),
            Outcome.FAILED,
            JobError("other", "x"),
        ),
        (
            line(error={"code": "other", "message": "x"}, response={"status_code": None}),
            Outcome.FAILED,
            JobError("other", "x"),
        ),
    ],
)
def test_a_line_says_what_became_of_a_request(told: bytes, outcome: Outcome, error: JobError | None) -> None:
    result = read_result(told)

    assert (result.custom_id, result.outcome, result.error) == ("a", outcome, error)


@pytest.mark.parametrize(
    "told",
    [
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b"1" * 5000,
        line(),
        line(custom_id=7, response={"status_code": 200}),
        line(response={"status_code": "200"}),
        line(response={"status_code": True}),
        b'{"custom_id":"a","response":{"status_code":200,"body":NaN}}',
        b'{"custom_id":"a","response":{"status_code":200,"body":1e999}}',
    ],
)
def test_a_line_that_says_nothing_is_refused(told: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any: the reader counts them all alike
        read_result(told)


def test_a_response_is_kept_as_text_with_status_and_body_alone() -> None:
    told = line(response={"status_code": 200, "request_id": "r", "body": {"é": [1.0, 2**70, None]}})

    assert read_result(told).response == '{"status_code":200,"body":{"é":[1.0,1180591620717411303424,null]}}'


@pytest.mark.parametrize("told", [b"NaN", b'{"a":Infinity}', b"{", b"", b"[" * 100_000, b"1" * 5000])
def test_what_is_no_json_is_a_value_error(told: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of whichever kind
        read_json(told)


@pytest.mark.parametrize("text", ["a\0b", "half \ud83d of a pair", "\u2028"])
def test_a_response_is_text_that_postgres_takes_and_means_the_same(text: str) -> None:
    response = read_result(line(response={"status_code": 200, "body": text})).response

    assert response is not None
    assert "\0" not in response.encode().decode()
    assert read_json(response.encode()) == {"status_code": 200, "body": text}


def read_in_chunks(text: bytes, cuts: list[int], longest: int) -> tuple[list[bytes], list[bytes]]:
    reader = LineReader(longest)
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    chunks = [text[start:end] for start, end in pairwise(edges)]
    seen = [line for chunk in chunks for line in reader.feed(chunk)] + list(reader.end())
    overlong: list[bytes] = [line for line in seen if isinstance(line, Overlong)]
    return [line for line in seen if not isinstance(line, Overlong)], overlong


@given(
    st.lists(st.sampled_from([b"a", b"bb", b"\n", b"\r\n", b"\xe2\x80\xa8", b"ccccc"])),
    st.lists(st.integers(0, 99)),
)
def test_lines_are_the_same_however_they_are_cut(parts: list[bytes], cuts: list[int]) -> None:
    text = b"".join(parts)
    whole = text.split(b"\n")

    lines, overlong = read_in_chunks(text, cuts, longest=5)

    assert lines == [part.strip() for part in whole if len(part) <= 5 and part.strip()]
    assert overlong == [part.strip() for part in whole if len(part) > 5]


def test_of_a_line_without_end_the_beginning_is_kept_and_the_next_is_read() -> None:
    reader = LineReader(10_000)

    seen = [line for _ in range(1000) for line in reader.feed(b"x" * 100)]

    assert seen == []
    assert list(reader.feed(b"\nnext\n")) == [b"x" * 4096, b"next"]
