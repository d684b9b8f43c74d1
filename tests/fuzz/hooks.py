"""What schemathesis is told beyond the OpenAPI document; it loads this file by itself."""

import json
from collections import deque
from collections.abc import Iterator
from itertools import count, islice
from typing import Any, Final, cast

import schemathesis
from schemathesis import Case, CheckContext, GenerationMode, HookContext, Response, SerializationContext

LINES: Final = "application/x-ndjson"
EVENTS: Final = "text/event-stream"
PROBLEM: Final = "application/problem+json"
ENDPOINT: Final = "/v1/chat/completions"
KEY: Final = "Idempotency-Key"
# Short, so that a sequence of a few calls sees a job's whole life; with every end there is.
SCRIPTS: Final = (
    "in_progress 0.05s @50%, succeeded",
    "queued 0.1s, in_progress 0.2s @10%, in_progress 0.2s @60% fail=1, finalizing 0.1s, succeeded",
    "in_progress 0.1s @50%, failed",
    "in_progress 0.1s @30%, expired",
    "in_progress 3s @50%, succeeded",
)
hook = cast("Any", schemathesis.hook)  # pyright: ignore[reportUnknownMemberType] - it is typed in part
_numbers = count()
_jobs: deque[str] = deque(maxlen=20)


@schemathesis.serializer(LINES)
def lines(_: SerializationContext, value: Any) -> bytes:
    """A body in lines is sent as it is."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "surrogatepass")


@hook
def after_call(_: HookContext, case: Case[Any], response: Response) -> None:
    """Remember jobs, to ask about some that are there; `DELETE` and time take others away."""
    if case.method == "POST" and response.status_code in {200, 202} and "id" in (told := response.json()):
        _jobs.append(told["id"])


@hook
def map_case(_: HookContext, case: Case[Any]) -> Case[Any]:
    """Ask every second time about a job that is there, and make those submits whole that are meant to be accepted."""
    if not _is_meant_to_be_accepted(case):
        return case
    if _jobs and next(_numbers) % 2:
        _name_jobs(case)
    if case.path.endswith("/jobs"):
        _make_whole(case)
    return case


@hook
def before_call(_: HookContext, case: Case[Any], __: dict[str, Any]) -> None:
    """Take no key twice, of examples neither: with another body it is refused, as it should be."""
    headers = cast("dict[str, str]", case.headers)
    if KEY in headers and _is_meant_to_be_accepted(case):
        headers[KEY] = f"{headers[KEY][:240]}-{next(_numbers)}"


@schemathesis.check
def a_problem_says_of_itself_what_its_headers_say(_: CheckContext, response: Response, __: Case[Any]) -> None:
    """RFC 9457, and the contract's members of it."""
    if PROBLEM not in response.headers.get("content-type", [""])[0] or not response.content:
        return
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["type"] == f"/problems/{problem['code']}"
    assert problem["correlation_id"] == response.headers["x-correlation-id"][0]
    again = response.headers.get("retry-after")
    assert problem.get("retry_after") == (int(again[0]) if again else None)
    assert again or response.status_code not in {429, 503}


@schemathesis.check
def every_event_holds_json_and_versions_go_up(_: CheckContext, response: Response, __: Case[Any]) -> None:
    """The data of an event is a job or a problem; of one job none comes twice."""
    if EVENTS not in response.headers.get("content-type", [""])[0]:
        return
    told: dict[str, int] = {}
    for block in response.content.decode().split("\n\n"):
        event = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        document = json.loads(event.get("data", "null"))
        if event.get("event") == "problem":
            assert document["code"]
        elif document is not None and {"id", "version"} <= document.keys():  # some fields alone may be asked for
            assert document["version"] > told.get(document["id"], 0)
            told[document["id"]] = document["version"]


def _is_meant_to_be_accepted(case: Case[Any]) -> bool:
    return case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE


def _name_jobs(case: Case[Any]) -> None:
    if "ids" in case.query:
        case.query["ids"] = ",".join(islice(reversed(_jobs), 3))
    if "job_id" in case.path_parameters:
        case.path_parameters["job_id"] = _jobs[next(_numbers) % len(_jobs)]


def _make_whole(case: Case[Any]) -> None:
    """That ids differ, for one, is nothing a schema can say."""
    body = cast("Any", case.body)
    if case.media_type == LINES and isinstance(body, str):
        case.body = "\n".join(_lines(body))
    elif isinstance(body, dict) and "requests" in body:
        case.body = _whole(cast("dict[str, Any]", body))


def _whole(body: dict[str, Any]) -> dict[str, Any]:
    requests = [
        {**one, "custom_id": f"{number}-{one['custom_id']}"[:512]} for number, one in enumerate(body["requests"])
    ]
    metadata = dict(islice(cast("dict[str, str]", body.get("metadata") or {}).items(), 14))
    # Where a webhook goes no schema can say, and unsigned submits have none.
    whole = {**body, "requests": requests, "endpoint": ENDPOINT, "webhook": None}
    return {**whole, "metadata": {**metadata, "simulator": _script()}}


def _lines(text: str) -> Iterator[str]:
    yield json.dumps({"object": "job.options", "metadata": {"simulator": _script()}})
    for number, part in enumerate(text.split("\n")[:20]):
        request = {"custom_id": str(number), "method": "POST", "url": ENDPOINT, "body": {"text": part}}
        yield json.dumps(request)


def _script() -> str:
    return SCRIPTS[next(_numbers) % len(SCRIPTS)]
