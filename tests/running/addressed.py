"""Every operation that takes an id or a cursor, found in the service's OpenAPI document, with a request for each."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from running.jobs import SET
from running.openapi import resolved

_PARAMETER = re.compile(r"\{(\w+)\}")
_KINDS = {"job_id", "key_id", "endpoint_id", "delivery_id"}
_ABOUT_NOBODY = {"code"}  # of the pages on problems


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        method: of HTTP.
        path: as it stands in the document.
        kind: of what is named in it: `job_id`, `key_id`, `endpoint_id` or `delivery_id`.
        place: where it is named: `path`, `query` or `body`.
    """

    method: str
    path: str
    kind: str
    place: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def simple(self) -> bool:
        """Whether it belongs to the simple set, where nobody signs."""
        return self.path.startswith(SET)

    @property
    def reads_many(self) -> bool:
        """Whether it answers for each of many jobs in its place."""
        return self.path.endswith("/batch-get")

    @property
    def denies_with(self) -> int:
        """The status of the answer for what is not there; of many jobs each has its own within a `200`."""
        return 200 if self.reads_many else 404

    def request(self, client: httpx.AsyncClient, named: str, **headers: str) -> httpx.Request:
        """A request that names something, and is otherwise as it should be."""
        path = self.path.replace(f"{{{self.kind}}}", named)
        if self.place == "query":
            return client.build_request(self.method, path, params={"ids": named}, headers=headers)
        if self.place == "body" or self.method == "PATCH":
            jobs = [{"id": named} if self.reads_many else named]
            content = orjson.dumps({"jobs": jobs} if self.place == "body" else {})
            return client.build_request(
                self.method, path, content=content, headers={"Content-Type": "application/json", **headers}
            )
        return client.build_request(self.method, path, headers=headers)


def addressed(document: Mapping[str, Any]) -> list[Operation]:
    """Every operation of the document that names a job, a key, or something of webhooks.

    Raises:
        AssertionError: one names something that is not known here, and so would not be looked at.
    """
    return list(_operations(document))


def paged(document: Mapping[str, Any]) -> list[str]:
    """The path of every list that goes on by a cursor."""
    return [
        path
        for path, operations in document["paths"].items()
        if any(one["name"] == "cursor" for one in _parameters(document, operations.get("get", {})))
    ]


def _parameters(document: Mapping[str, Any], operation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [resolved(dict(document), one) for one in operation.get("parameters", ())]


def _operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            named = set(_PARAMETER.findall(path)) - _ABOUT_NOBODY
            assert named <= _KINDS, f"{method} {path} names {named - _KINDS}: add it here"
            queried = {one["name"] for one in _parameters(document, operation) if one["in"] == "query"}
            for kind in named:
                yield Operation(method.upper(), path, kind, "path")
            if "ids" in queried:
                yield Operation(method.upper(), path, "job_id", "query")
            if "jobs" in _members_of_body(document, operation):
                yield Operation(method.upper(), path, "job_id", "body")


def _members_of_body(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Mapping[str, Any]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"].get(name, {}).get("properties", {})
