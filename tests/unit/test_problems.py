import re
from pathlib import Path

import orjson
import pytest

import polling_api
from polling_api.api.codes import KINDS
from polling_api.api.problems import problem, status_of
from polling_api.api.requests import IDS, RequestIds
from polling_api.errors import FieldError, Invalid, NotFound, PollingError, Unavailable

SCOPE = {"path": "/api/v1/jobs/x", IDS: RequestIds("abc", "abc")}
SOURCES = Path(polling_api.__file__).parent
_CODE = re.compile(r'\bcode="([a-z_]+)"')


def all_errors(kind: type[PollingError] = PollingError) -> list[type[PollingError]]:
    return [kind, *(error for child in kind.__subclasses__() for error in all_errors(child))]


def test_a_problem_says_what_happened_where_and_under_which_code() -> None:
    answer = problem(NotFound("There is no such job.", code="job_not_found"), SCOPE)

    assert answer.status == 404
    assert dict(answer.headers)[b"content-type"] == b"application/problem+json"
    assert dict(answer.headers)[b"cache-control"] == b"no-store"
    assert orjson.loads(answer.body) == {
        "type": "/problems/job_not_found",
        "title": "Job not found",
        "status": 404,
        "detail": "There is no such job.",
        "instance": "/api/v1/jobs/x",
        "code": "job_not_found",
        "correlation_id": "abc",
    }


def test_a_problem_names_every_broken_rule() -> None:
    answer = problem(Invalid("Two.", errors=[FieldError("?wait", "bad"), FieldError("/a", "worse")]), SCOPE)

    assert orjson.loads(answer.body)["errors"] == [
        {"pointer": "?wait", "message": "bad"},
        {"pointer": "/a", "message": "worse"},
    ]


def test_a_problem_that_may_pass_says_when_in_header_and_body() -> None:
    answer = problem(Unavailable("Away.", retry_after=2), SCOPE)

    assert dict(answer.headers)[b"retry-after"] == b"2"
    assert orjson.loads(answer.body)["retry_after"] == 2


@pytest.mark.parametrize("code", ["unavailable", "overloaded", "draining"])
def test_what_may_pass_is_told_in_a_stream_where_that_is_asked_for(code: str) -> None:
    scope = {**SCOPE, "path": "/api/v1/jobs/events", "query_string": b"ids=x&refusals=stream"}

    answer = problem(Unavailable("Not now.", code=code, retry_after=2), scope)

    retry, event, told, *end = answer.body.splitlines()
    assert answer.status == 200
    assert 2000 <= int(retry.removeprefix(b"retry: ")) <= 3000
    assert event == b"event: problem"
    assert orjson.loads(told.removeprefix(b"data: "))["code"] == code
    assert end == [b""]


@pytest.mark.parametrize("query", [b"refusals=plain", b"refusals=", b"", b"norefusals=stream"])
def test_it_is_told_plainly_where_it_is_not(query: bytes) -> None:
    scope = {**SCOPE, "path": "/api/v1/jobs/events", "query_string": query}

    assert problem(Unavailable("Not now."), scope).status == 503


@pytest.mark.parametrize("kind", all_errors())
def test_every_error_has_a_status(kind: type[PollingError]) -> None:
    assert 400 <= status_of(kind("It happened.")) < 600


def test_every_code_in_the_sources_has_a_page() -> None:
    named = {code for source in SOURCES.rglob("api/**/*.py") for code in _CODE.findall(source.read_text())}

    assert named - KINDS.keys() == set()
    assert len(named) > 5


@pytest.mark.parametrize("code", sorted(KINDS))
def test_every_page_says_more_than_the_code(code: str) -> None:
    assert len(KINDS[code].explanation) > 40
