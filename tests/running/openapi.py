"""An OpenAPI 3.1 document, asked what it says of an answer; its schemas are JSON Schema 2020-12."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import httpx
from jsonschema import Draft202012Validator

Document = dict[str, Any]

# What the server and the outermost layer put on every answer: of HTTP itself, and guards for browsers and proxies.
UNTOLD: Final = frozenset(
    {
        *("date", "connection", "transfer-encoding", "content-type", "content-length"),
        *("x-content-type-options", "referrer-policy", "x-accel-buffering"),
    }
)


def broken_rules(document: Document, schema: Mapping[str, Any], value: Any) -> list[str]:
    """What is wrong with a value under a schema of the document."""
    validator = Draft202012Validator({**schema, "components": document["components"]})
    errors: Iterator[Any] = validator.iter_errors(value)  # pyright: ignore[reportUnknownMemberType]
    return [f"{error.json_path}: {error.message}" for error in errors]


def examples(node: Any, place: str = "#") -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    """Every example below `node`, as (its place, the schema it stands beside, itself)."""
    if isinstance(node, Mapping):
        known = cast("Mapping[str, Any]", node)
        yield from _examples_of(known, place)
        for name in known.keys() - {"example", "examples"}:
            yield from examples(known[name], f"{place}/{name}")
    elif isinstance(node, list):
        for index, item in enumerate(cast("list[Any]", node)):
            yield from examples(item, f"{place}/{index}")


def _examples_of(node: Mapping[str, Any], place: str) -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    """Those that belong to `node` itself: a schema has a list of them, a media type an object, a header one."""
    schema = node.get("schema", node)
    if "example" in node:
        yield f"{place}/example", schema, node["example"]
    listed: Any = node.get("examples", ())
    if isinstance(listed, Mapping):
        named = cast("Mapping[str, Any]", listed)
        yield from ((f"{place}/examples/{name}", schema, named[name]["value"]) for name in named)
    else:
        yield from ((f"{place}/examples/{index}", schema, value) for index, value in enumerate(listed))


def untold(document: Document, path: str, answer: httpx.Response) -> list[str]:
    """What a real answer has that the document does not say of it.

    Args:
        document: the whole of it.
        path: as it stands in the document, with its parameters in braces.
        answer: has been read.
    """
    method = answer.request.method.lower()
    told = document["paths"][path][method]["responses"].get(str(answer.status_code))
    if told is None:
        return [f"{method} {path} {answer.status_code}"]
    headers = set(answer.headers) - UNTOLD - {name.lower() for name in told.get("headers", {})}
    missing = [f"{method} {path} {answer.status_code}: header {name}" for name in sorted(headers)]
    if answer.content:
        missing += _untold_of_body(document, told, f"{method} {path} {answer.status_code}", answer)
    return missing


def _untold_of_body(document: Document, told: Document, place: str, answer: httpx.Response) -> list[str]:
    media_type = answer.headers["content-type"].partition(";")[0]
    content = told.get("content", {}).get(media_type)
    if content is None:
        return [f"{place}: body of {media_type}"]
    if "json" not in media_type:
        return []
    return [f"{place}: {error}" for error in broken_rules(document, content["schema"], answer.json())]
