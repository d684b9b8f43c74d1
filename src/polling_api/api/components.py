"""What an OpenAPI document says again and again, said once under `components`, and referred to.

Each function takes a document and changes it. None of them knows an address: what is written down for one set of
endpoints holds for every other.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from polling_api.api.described import HEADERS, PROBLEM_TYPE, example_of

Document = dict[str, Any]
Operation = dict[str, Any]

JOBS = {f"#/components/schemas/{name}" for name in ("JobDocument", "SubmittedJobDocument")}
_JOB_ID = "job_id"
# Where a job's id goes in the calls that can be made with it: the parameter's name, and how it is written there.
_IDS = {_JOB_ID: "$response.body#/id", "ids": "$response.body#/id"}


def operations_of(document: Document) -> Iterator[tuple[str, str, Operation]]:
    """Every operation, as (path, method, operation)."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


def codes_of(answer: dict[str, Any]) -> tuple[str, ...]:
    """The codes that a refusal may carry; of any other answer none."""
    return tuple(answer.get("content", {}).get(PROBLEM_TYPE.decode(), {}).get("examples", ()))


def share_headers_and_examples(document: Document) -> None:
    """Describe the headers that answers refer to, and give an example of every problem they refer to."""
    told = json.dumps(document["paths"])
    components = document["components"]
    components["headers"] = {
        name: header for name, header in HEADERS.items() if f'"#/components/headers/{name}"' in told
    }
    codes = {
        code
        for _, _, operation in operations_of(document)
        for answer in operation["responses"].values()
        for code in codes_of(answer)
    }
    components["examples"] = {code: example_of(code) for code in sorted(codes)}


def share_refusals(document: Document) -> None:
    """Describe a refusal once that several operations have; it is named by the codes it may carry."""
    times = Counter(
        json.dumps(answer)
        for _, _, operation in operations_of(document)
        for answer in operation["responses"].values()
        if _name_of(answer)
    )
    shared: dict[str, Any] = {}
    for _, _, operation in operations_of(document):
        for status, answer in operation["responses"].items():
            if times[json.dumps(answer)] > 1:
                name = _kept(shared, _name_of(answer), answer)
                operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}
    document["components"]["responses"] = dict(sorted(shared.items()))


def share_parameters(document: Document) -> None:
    """Describe a parameter once that several operations have; it is named as it is sent."""
    lists = [operation["parameters"] for _, _, operation in operations_of(document) if "parameters" in operation]
    times = Counter(json.dumps(parameter) for parameters in lists for parameter in parameters)
    shared: dict[str, Any] = {}
    for parameters in lists:
        for place, parameter in enumerate(parameters):
            if times[json.dumps(parameter)] > 1:
                name = _kept(shared, parameter["name"], parameter)
                parameters[place] = {"$ref": f"#/components/parameters/{name}"}
    document["components"]["parameters"] = dict(sorted(shared.items()))


def link_jobs(document: Document) -> None:
    """Say with every job that a call makes or changes what can be done with it: its set's calls that take an id."""
    links = {
        operation["operationId"]: (path, {"operationId": operation["operationId"], "parameters": taken})
        for path, method, operation in operations_of(document)
        if method != "head" and (taken := _taken_ids(operation))
    }
    for path, method, operation in operations_of(document):
        base = path.partition("/{")[0]
        for answer in operation["responses"].values() if method == "post" else ():
            if answer.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref") in JOBS:
                ours = [name for name, (target, _) in links.items() if target.startswith(f"{base}/")]
                answer["links"] = {name: {"$ref": f"#/components/links/{name}"} for name in ours}
    document["components"]["links"] = {name: link for name, (_, link) in sorted(links.items())}


def _taken_ids(operation: Operation) -> dict[str, str]:
    # A job's id that only filters a list leads to no call about that job.
    told = [one for one in operation.get("parameters", ()) if one["name"] != _JOB_ID or one["in"] == "path"]
    names = [parameter["name"] for parameter in told]
    return {name: _IDS[name] for name in names if name in _IDS}


def _name_of(answer: dict[str, Any]) -> str:
    """The name of a refusal, empty for all else: `results_not_ready` makes `ResultsNotReady`."""
    return "Or".join(code.title().replace("_", "") for code in codes_of(answer))


def _kept(shared: dict[str, Any], named: str, node: dict[str, Any]) -> str:
    """The name under which a node is shared; a second one of the same name gets a number."""
    name, number = named, 1
    while shared.setdefault(name, node) != node:
        number += 1
        name = f"{named}-{number}"
    return name
