"""The OpenAPI document."""

import json
import re
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute

from polling_api.api.account_shapes import NewKeyDocument, NewTokenDocument, RotationDocument
from polling_api.api.batch_shapes import BatchGetDocument
from polling_api.api.bearers import IN_QUERY
from polling_api.api.checked import CheckedRoute
from polling_api.api.components import (
    codes_of,
    link_jobs,
    operations_of,
    share_headers_and_examples,
    share_parameters,
    share_refusals,
)
from polling_api.api.described import CORRELATION_ID, limited, problems
from polling_api.api.guard import LIMITED
from polling_api.api.hot import HotRoute
from polling_api.api.origins import SAFE
from polling_api.api.shapes import JobDocument, ProblemDocument
from polling_api.api.submission_shapes import SubmissionDocument, SubmittedJobDocument
from polling_api.api.webhook_shapes import (
    ChangedEndpointDocument,
    NewEndpointDocument,
    ReplayDocument,
    SecretRotationDocument,
)
from polling_api.representation import API_VERSION

DESCRIPTION = """The status tier of a generation service.

A *job* is one batch of LLM, image or video requests, run by an upstream provider over minutes or hours. Submit it, and
learn what became of it in the way that suits you: conditional polls (`If-None-Match`), long polls (`?wait=30`), or
Server-Sent Events. All of them show the same versions of the same job, in the same order.

A body over 1 KB comes compressed, by gzip or zstd, as `Accept-Encoding` says; `Content-Encoding` names the coding.
Event streams and the answers of calls that change something are never compressed; a compressed request is refused.

Every error is a problem document (RFC 9457) whose `type` leads to a page about it.
"""

# Models that FastAPI does not describe by itself, or describes without the nulls in their examples.
_MODELS = (
    ProblemDocument,
    SubmissionDocument,
    JobDocument,
    SubmittedJobDocument,
    BatchGetDocument,
    NewKeyDocument,
    RotationDocument,
    NewTokenDocument,
    NewEndpointDocument,
    ChangedEndpointDocument,
    SecretRotationDocument,
    ReplayDocument,
)
# Refusals that every address has, and its server.
_EVERYWHERE = (
    "bad_request",
    "method_not_allowed",
    "request_timeout",
    "target_too_long",
    "misdirected_request",
    "headers_too_large",
    "internal",
    "not_implemented",
    "version_not_supported",
)
# What every request may have.
_CORRELATION = {
    "name": CORRELATION_ID,
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "An id of yours for this request, which the answer and every log line have: up to 128 of "
    "`A-Za-z0-9._:/+=@-`. Any other is ignored.",
}
_SECURITY = {
    "accessToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "An access token that a client made; it adds the jobs that it names to those that are public.",
    },
    "signature": {
        "type": "http",
        "scheme": "signature",
        "description": "HTTP Message Signatures (RFC 9421) with `hmac-sha256`, over `@method`, `@authority`, `@path`, "
        "`@query`, and `content-digest` (RFC 9530) where there is a body; with `created`, `keyid` and a `nonce`. "
        "`polling-api sign` makes the headers.",
    },
}
_REFERENCE = re.compile(r"(#/components/schemas/\w+)Document\b")


def document_of(app: FastAPI) -> dict[str, Any]:
    """Describe all of `app` as it answers: FastAPI knows neither its refusals nor all of its shapes."""
    with warnings.catch_warnings():
        # `HEAD` stands beside each `GET` under the same id, until the lines below give it one of its own.
        warnings.filterwarnings("ignore", message="Duplicate Operation ID")
        document = get_openapi(
            title="Polling API", version=API_VERSION, description=DESCRIPTION, routes=app.routes, tags=app.openapi_tags
        )
    refused, security = _refused_by_routes(app), _security_of(app)
    document["components"]["securitySchemes"] = _SECURITY
    for path, method, operation in operations_of(document):
        operation["operationId"] = f"{method}_{operation['operationId'].rsplit('_', 1)[0]}"
        _untitle(operation["responses"])
        operation["responses"] = _with_our_refusals(operation["responses"], refused[path, method.upper()])
        if path.startswith(LIMITED):
            operation["responses"] = {
                status: limited(answer, codes_of(answer)) for status, answer in operation["responses"].items()
            }
        ways_in = security.get((path, method.upper()))
        if ways_in is not None:
            operation["security"] = ways_in
        parameters = [one for one in operation.get("parameters", ()) if _is_taken(one, ways_in or ())]
        for parameter in parameters:
            _tell_what_can_be_sent(parameter)
        operation["parameters"] = [*parameters, _CORRELATION]
    # A route's methods are a set, and come in another order in each process.
    document["paths"] = {path: dict(sorted(operations.items())) for path, operations in document["paths"].items()}
    _tell_schemas(document["components"]["schemas"])
    link_jobs(document)
    share_headers_and_examples(document)
    share_refusals(document)
    share_parameters(document)
    schemas = document["components"]["schemas"]
    document["components"]["schemas"] = {name.removesuffix("Document"): schemas[name] for name in sorted(schemas)}
    return json.loads(_REFERENCE.sub(r"\1", json.dumps(document)))


def _refused_by_routes(app: FastAPI) -> dict[tuple[str, str], tuple[str, ...]]:
    """The codes of what routes refuse ahead of their endpoints, by path and method."""
    return {
        (context.path_format or "", method): _refused_by(context.original_route, method)
        for context in iter_route_contexts(app.routes)
        for method in context.methods or ()
    }


def _refused_by(route: BaseRoute, method: str) -> tuple[str, ...]:
    of_origin = () if method in SAFE else ("origin_not_allowed",)
    if not isinstance(route, CheckedRoute):
        return of_origin
    of_door = route.door.refuses if route.door else ()
    of_accept = () if not route.made else ("not_acceptable",)
    of_body = () if isinstance(route, HotRoute) else ("unsupported_media_type",)
    return (*of_origin, *of_door, *of_accept, *of_body)


def _security_of(app: FastAPI) -> dict[tuple[str, str], list[Mapping[str, list[str]]]]:
    """What it takes to be let in, by path and method, where there is a door."""
    return {
        (context.path_format or "", method): [*context.original_route.door.security]
        for context in iter_route_contexts(app.routes)
        for method in context.methods or ()
        if isinstance(context.original_route, CheckedRoute) and context.original_route.door
    }


def _with_our_refusals(responses: dict[str, Any], further: Iterable[str]) -> dict[str, Any]:
    """The answers without the `422` that FastAPI assumes, and with further refusals."""
    told = {status: codes_of(answer) for status, answer in responses.items()}
    codes = dict.fromkeys(code for some in (*told.values(), further, _EVERYWHERE) for code in some)
    refusals = {str(status): answer for status, answer in problems(*codes).items()}
    others = {
        status: answer for status, answer in responses.items() if not told[status] and not _is_assumed(status, answer)
    }
    return dict(sorted((refusals | others).items()))


def _untitle(responses: dict[str, Any]) -> None:
    """FastAPI names an answer of two kinds after one of its route's methods, another one in each process."""
    for answer in responses.values():
        for content in answer.get("content", {}).values():
            content.get("schema", {}).pop("title", None)


def _is_assumed(status: str, answer: dict[str, Any]) -> bool:
    return status == "422" and "application/json" in answer.get("content", {})


def _is_taken(parameter: dict[str, Any], ways_in: Iterable[Mapping[str, list[str]]]) -> bool:
    """Both sets have the same routes; a token in the query is refused where no token lets anybody in."""
    return parameter["name"] != IN_QUERY or any("accessToken" in way for way in ways_in)


def _tell_what_can_be_sent(parameter: dict[str, Any]) -> None:
    """FastAPI takes what is left out for null, which nobody can send in a query or a header field."""
    schema: dict[str, Any] = parameter["schema"]
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    said_elsewhere = {"anyOf", "title", "description"}
    parameter["schema"] = {
        name: value for part in (*kinds, schema) for name, value in part.items() if name not in said_elsewhere
    }
    if parameter["in"] == "header" and parameter["name"].islower():
        parameter["name"] = parameter["name"].title()


def _tell_schemas(schemas: dict[str, Any]) -> None:
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for model in _MODELS:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
