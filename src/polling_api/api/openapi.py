"""The OpenAPI document."""

import json
import re
import warnings
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from polling_api.api.documents import problems
from polling_api.api.shapes import JobDocument, ProblemDocument, SubmissionDocument
from polling_api.representation import API_VERSION

DESCRIPTION = """The status tier of a generation service.

A *job* is one batch of LLM, image or video requests, run by an upstream provider over minutes or hours. Submit it, and
learn what became of it in the way that suits you: conditional polls (`If-None-Match`), long polls (`?wait=30`), or
Server-Sent Events. All of them show the same versions of the same job, in the same order.

Every error is a problem document (RFC 9457) whose `type` leads to a page about it.
"""

# Models that FastAPI does not describe by itself, or describes without the nulls in their examples.
_MODELS = (ProblemDocument, SubmissionDocument, JobDocument)
# Refusals that every address has, and its server. Each has a status of its own.
_EVERYWHERE = (
    "method_not_allowed",
    "not_acceptable",
    "request_timeout",
    "target_too_long",
    "misdirected_request",
    "headers_too_large",
    "not_implemented",
    "version_not_supported",
)
_REFERENCE = re.compile(r"(#/components/schemas/\w+)Document\b")


def document_of(app: FastAPI) -> dict[str, Any]:
    """Describe all of `app` as it answers: FastAPI knows neither its refusals nor all of its shapes."""
    with warnings.catch_warnings():
        # `HEAD` stands beside each `GET` under the same id, until the lines below give it one of its own.
        warnings.filterwarnings("ignore", message="Duplicate Operation ID")
        document = get_openapi(
            title="Polling API", version=API_VERSION, description=DESCRIPTION, routes=app.routes, tags=app.openapi_tags
        )
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["operationId"] = f"{method}_{operation['operationId'].rsplit('_', 1)[0]}"
            _tell_our_refusals(operation["responses"])
        # A route's methods are a set, and come in another order in each process.
        document["paths"][path] = dict(sorted(operations.items()))
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for model in _MODELS:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    document["components"]["schemas"] = {name.removesuffix("Document"): schemas[name] for name in sorted(schemas)}
    return json.loads(_REFERENCE.sub(r"\1", json.dumps(document)))


def _tell_our_refusals(responses: dict[str, Any]) -> None:
    """Take out the `422` that FastAPI assumes, and add those that every address has."""
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]
    for status, refusal in problems(*_EVERYWHERE).items():
        told = responses.setdefault(str(status), refusal).get("content", {}).get("application/problem+json")
        if told is not None:  # an operation's own refusals of that status stay
            told["examples"] |= refusal["content"]["application/problem+json"]["examples"]
