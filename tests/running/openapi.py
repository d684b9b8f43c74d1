"""An OpenAPI 3.1 document, asked what it says of an answer; its schemas are JSON Schema 2020-12."""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, cast

import httpx
from jsonschema import Draft202012Validator

Document = dict[str, Any]

# What the server and the outermost layer put on every answer: of HTTP itself, and guards for browsers and proxies.
UNTOLD: Final = frozenset(
    {
        *("date", "connection", "transfer-encoding", "content-type", "content-length", "content-encoding"),
        *("x-content-type-options", "referrer-policy", "x-accel-buffering"),
    }
)


def resolved(document: Document, node: Any) -> Any:
    """What a node is, or refers to under `components`."""
    while reference := _reference_in(node):
        node = document
        for name in reference.split("/")[1:]:
            node = node[name]
    return node


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Every operation, as (path, method, operation)."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def answers_of(document: Document, operation: Document) -> dict[str, Document]:
    """An operation's answers by status, none of them a reference."""
    return {status: resolved(document, answer) for status, answer in operation["responses"].items()}


def broken_rules(document: Document, schema: Mapping[str, Any], value: Any) -> list[str]:
    """What is wrong with a value under a schema of the document."""
    validator = Draft202012Validator({**schema, "components": document["components"]})
    errors: Iterator[Any] = validator.iter_errors(value)  # pyright: ignore[reportUnknownMemberType]
    return [f"{error.json_path}: {error.message}" for error in errors]


def examples(document: Document) -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    """Every example, as (its place, the schema it stands beside, itself)."""
    return _examples_below(document, document, "#")


def _examples_below(document: Document, node: Any, place: str) -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    if isinstance(node, Mapping):
        known = cast("Mapping[str, Any]", node)
        yield from _examples_of(document, known, place)
        for name in known.keys() - {"example", "examples"}:
            yield from _examples_below(document, known[name], f"{place}/{name}")
    elif isinstance(node, list):
        for index, item in enumerate(cast("list[Any]", node)):
            yield from _examples_below(document, item, f"{place}/{index}")


def _reference_in(node: Any) -> str | None:
    return cast("Mapping[str, Any]", node).get("$ref") if isinstance(node, Mapping) else None


def _examples_of(
    document: Document, node: Mapping[str, Any], place: str
) -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    """Those that belong to `node` itself: a schema has a list of them, a media type an object, a header one."""
    schema = node.get("schema", node)
    if "example" in node:
        yield f"{place}/example", schema, node["example"]
    listed: Any = () if place == "#/components" else node.get("examples", ())
    if isinstance(listed, Mapping):
        named = cast("Mapping[str, Any]", listed)
        yield from (
            (f"{place}/examples/{name}", schema, resolved(document, one)["value"]) for name, one in named.items()
        )
    else:
        yield from ((f"{place}/examples/{index}", schema, value) for index, value in enumerate(listed))


class Told:
    """What a document says of answers.

    Args:
        document: the whole of it.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        # Nothing fits a schema that is false: who names no fields is shown whole jobs.
        schemas = {**document["components"]["schemas"], "PartialJob": False, "Partial": False}
        self._without_parts = {**document, "components": {**document["components"], "schemas": schemas}}
        # An address without parameters is meant before one with them.
        paths = sorted(document["paths"], key=lambda path: path.count("{"))
        self._paths = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in paths]

    def lies_about(self, answer: httpx.Response) -> list[str]:
        """Where a real answer and the document differ: what it has and is not told, or is told and has not.

        Addresses that the document does not know are passed over, and so is `OPTIONS`, which is the same for all.

        Args:
            answer: its body has been read, unless it is a stream of events.
        """
        path = self._path_of(answer.request.url.path)
        if path is None or answer.request.method == "OPTIONS":
            return []
        methods = self.document["paths"][path]
        # A method that is refused is not told of; its refusal is told with every other.
        operation = methods.get(answer.request.method.lower()) or next(iter(methods.values()))
        place = f"{answer.request.method} {path} {answer.status_code}"
        told = answers_of(self.document, operation).get(str(answer.status_code))
        if told is None:
            return [f"{place} is not told of"]
        return [f"{place}: {lie}" for lie in (*self._of_headers(told, answer), *self._of_body(told, answer))]

    def _path_of(self, path: str) -> str | None:
        return next((known for pattern, known in self._paths if pattern.fullmatch(path)), None)

    def _of_headers(self, told: Document, answer: httpx.Response) -> Iterator[str]:
        known = {name.lower(): resolved(self.document, header) for name, header in told.get("headers", {}).items()}
        for name in sorted(set(answer.headers) - UNTOLD - set(known)):
            yield f"header {name} is not told of"
        for name, header in known.items():
            if name in answer.headers:
                value: str | int = answer.headers[name]
                if header["schema"]["type"] == "integer":
                    value = int(value)
                yield from (
                    f"header {name}: {broken}" for broken in broken_rules(self.document, header["schema"], value)
                )
            elif header["required"]:
                yield f"header {name} is missing"

    def _of_body(self, told: Document, answer: httpx.Response) -> Iterator[str]:
        content = told.get("content", {})
        if not content:
            if "content-type" in answer.headers:
                yield "a body is not told of"
            return
        media_type = answer.headers.get("content-type", "").partition(";")[0]
        if media_type not in content:
            yield f"a body of {media_type} is not told of"
        elif media_type.endswith(("/json", "+json")) and answer.request.method != "HEAD":
            document = self.document if _asks_for_fields(answer.request) else self._without_parts
            yield from broken_rules(document, content[media_type]["schema"], answer.json())


def _asks_for_fields(request: httpx.Request) -> bool:
    return "fields" in request.url.params or b'"fields"' in request.content


def comparing(told: Told) -> Callable[[httpx.Response], Awaitable[None]]:
    """A hook for an HTTP client: every answer that it gets has to be as the document says."""

    async def compare(answer: httpx.Response) -> None:
        if "text/event-stream" not in answer.headers.get("content-type", ""):
            await answer.aread()
        assert told.lies_about(answer) == []

    return compare
