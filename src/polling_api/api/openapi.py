"""The OpenAPI document."""

import warnings
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from polling_api.api.documents import EXTRA_SCHEMAS
from polling_api.representation import API_VERSION

DESCRIPTION = """The status tier of a generation service.

A *job* is one batch of LLM, image or video requests, run by an upstream provider over minutes or hours. Submit it, and
learn what became of it in the way that suits you: conditional polls (`If-None-Match`), long polls (`?wait=30`), or
Server-Sent Events. All of them show the same versions of the same job, in the same order.

Every error is a problem document (RFC 9457) whose `type` leads to a page about it.
"""


def document_of(app: FastAPI) -> dict[str, Any]:
    """Describe all of `app`, including shapes that no operation names by itself."""
    with warnings.catch_warnings():
        # `HEAD` stands beside each `GET` under the same id, until the lines below give it one of its own.
        warnings.filterwarnings("ignore", message="Duplicate Operation ID")
        document = get_openapi(
            title="Polling API", version=API_VERSION, description=DESCRIPTION, routes=app.routes, tags=app.openapi_tags
        )
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["operationId"] = f"{method}_{operation['operationId'].rsplit('_', 1)[0]}"
        # A route's methods are a set, and come in another order in each process.
        document["paths"][path] = dict(sorted(operations.items()))
    schemas = document["components"]["schemas"]
    for model in EXTRA_SCHEMAS:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[schema["title"]] = schema
    return document
