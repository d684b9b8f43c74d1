import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from polling_api.coding import GZIP, ZSTD, Coding
from polling_api.domain.job import JOB_ID, Job, JobError, Progress, Status, new_job_id
from polling_api.domain.validators import version_of
from polling_api.hub import Notice
from polling_api.representation import Form, Rendered, Snapshot, timestamp

CREATED = datetime(2026, 11, 23, 9, tzinfo=UTC)
FORM = Form("/api/v1/jobs")
JOB = Job(
    id="job_0b5c1e0e3a7f4a52b1d95f0c6a3e8d21",
    version=4,
    status=Status.IN_PROGRESS,
    status_version=2,
    progress=Progress(total=100, completed=40, failed=1),
    endpoint="/v1/chat/completions",
    provider="simulator",
    created_at=CREATED,
    updated_at=CREATED + timedelta(seconds=12, microseconds=5),
    metadata={"größe": "ü"},
    poll_after=7,
)
ENDED = replace(
    JOB,
    version=9,
    status=Status.FAILED,
    error=JobError("upstream_failed", "No."),
    finished_at=CREATED,
    results_expire_at=CREATED + timedelta(days=30),
)


def test_the_body_is_the_contracts_job_minified_and_in_utf_8() -> None:
    body = Rendered(JOB, FORM).body

    assert body.startswith(b'{"object":"job","id":"job_0b5c1e0e3a7f4a52b1d95f0c6a3e8d21","status":"in_progress",')
    assert "größe".encode() in body
    assert json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode() == body


def test_times_are_utc_with_microseconds_even_where_they_are_zero() -> None:
    elsewhere = datetime(2026, 11, 23, 11, tzinfo=timezone(timedelta(hours=2)))

    assert timestamp(elsewhere) == "2026-11-23T09:00:00.000000Z"
    assert timestamp(None) is None


def test_the_tag_tells_the_version_and_is_the_same_for_equal_jobs() -> None:
    tag = Rendered(JOB, FORM).etag

    assert version_of(tag) == 4
    assert tag == Rendered(replace(JOB), FORM).etag


@pytest.mark.parametrize(
    "other",
    [
        replace(JOB, status=Status.FINALIZING),
        replace(JOB, updated_at=JOB.updated_at + timedelta(microseconds=1)),
        replace(JOB, version=5),
    ],
)
def test_the_tag_differs_where_the_history_does(other: Job) -> None:
    assert Rendered(other, FORM).etag != Rendered(JOB, FORM).etag


def test_the_tag_differs_between_api_versions() -> None:
    assert Rendered(JOB, FORM._replace(api_version="2020-01-01")).etag != Rendered(JOB, FORM).etag


@pytest.mark.parametrize("tag", ['"4"', 'W/"x-00000000000000aa"', "4-00000000000000aa", 'W/"4-00000000000000AA"', ""])
def test_a_tag_that_is_not_ours_tells_no_version(tag: str) -> None:
    assert version_of(tag) is None


def test_an_event_holds_the_body_of_the_same_get() -> None:
    rendered = Rendered(JOB, FORM)

    assert rendered.event == b"id: 4\nevent: job\ndata: " + rendered.body + b"\n\n"


def test_a_form_is_rendered_once_for_all_readers() -> None:
    snapshot = Snapshot(JOB)

    assert snapshot.rendered(FORM) is snapshot.rendered(Form("/api/v1/jobs"))
    assert snapshot.rendered(Form("/api/v1/batch-status")) is not snapshot.rendered(FORM)


def test_only_an_unfinished_job_tells_when_to_poll_again() -> None:
    assert (b"x-poll-interval", b"7") in Rendered(JOB, FORM).validators
    assert b"x-poll-interval" not in dict(Rendered(ENDED, FORM).validators)


@pytest.mark.parametrize(
    ("job", "after", "seconds"),
    [
        (JOB, timedelta(), 30),
        (ENDED, timedelta(), 86_400),
        (ENDED, timedelta(days=30, seconds=-60), 60),
        (ENDED, timedelta(days=31), 0),
        (replace(ENDED, results_expire_at=None), timedelta(days=31), 86_400),
    ],
)
def test_a_cache_may_keep_a_state_only_as_long_as_it_is_good(job: Job, after: timedelta, seconds: int) -> None:
    assert Rendered(job, FORM).max_age((CREATED + after).timestamp()) == seconds


@pytest.mark.parametrize("job", [JOB, ENDED, replace(JOB, client_id="client_0b5c", metadata={"a": "b c"})])
def test_a_notice_carries_the_whole_version_and_says_first_whose_it_is(job: Job) -> None:
    notice = Notice.decode(Notice.of(job).encode())

    assert (notice.job_id, notice.version, notice.client_id) == (job.id, job.version, job.client_id)
    assert notice.job() == job


@pytest.mark.parametrize(
    "message", [b"", b"job_1", b"job_1 x - {}", b"job_1 1 -", b"job_1 1 {}", b'job_1 1 {"a":"b c"}', b"job_1 1  {}"]
)
def test_a_message_that_is_no_notice_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Notice.decode(message)


def test_ids_are_of_128_random_bits() -> None:
    ids = {new_job_id() for _ in range(1000)}

    assert len(ids) == 1000
    assert all(JOB_ID.fullmatch(job_id) for job_id in ids)


def test_a_form_with_fields_shows_them_alone_and_has_a_tag_of_its_own() -> None:
    some = Rendered(JOB, Form(FORM.base, fields=("progress.total", "status")))

    assert some.body == b'{"status":"in_progress","progress":{"total":100}}'
    assert some.etag != Rendered(JOB, FORM).etag
    assert version_of(some.etag) == 4


@pytest.mark.parametrize("coding", [GZIP, ZSTD])
def test_a_form_is_compressed_once_for_all_readers(coding: Coding) -> None:
    rendered = Rendered(replace(JOB, metadata={"note": "x" * 500}), FORM)

    headers, body = rendered.sent(coding)

    assert rendered.sent(coding)[1] is body
    assert coding.whole(rendered.body) == body
    told = dict(headers)
    assert (told[b"content-encoding"], told[b"content-length"]) == (coding.name.encode(), b"%d" % len(body))
    assert told[b"etag"] == rendered.etag.encode()
    assert rendered.sent(None) == (rendered.described, rendered.body)


def test_whoever_picks_ever_other_fields_fills_no_memory_and_pushes_out_no_whole_form() -> None:
    snapshot = Snapshot(JOB)
    whole = snapshot.rendered(FORM)
    picked = [snapshot.rendered(FORM._replace(fields=(f"metadata.{number}",))) for number in range(40)]

    assert snapshot.rendered(FORM) is whole
    assert snapshot.rendered(picked[-1].form) is picked[-1]
    assert snapshot.rendered(picked[0].form) is not picked[0]
