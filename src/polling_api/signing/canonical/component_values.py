"""What the components of one request are (RFC 9421, sections 2.1 and 2.2)."""

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from polling_api.signing.canonical.component import PLACED, Component
from polling_api.signing.canonical.errors import Malformed, NotCoverable
from polling_api.signing.canonical.request import Place, RequestHead
from polling_api.signing.canonical.structured import joined, read, written

# Fields that are defined as structured ones. Only these can be covered with `sf`: guessing a field's kind would let
# two sides read one value differently. With `key` the signer has said that it is a dictionary.
STRUCTURED: Mapping[str, str] = {
    "accept-signature": "dictionary",
    "cache-status": "list",
    "cdn-cache-control": "dictionary",
    "content-digest": "dictionary",
    "priority": "dictionary",
    "proxy-status": "list",
    "repr-digest": "dictionary",
    "signature": "dictionary",
    "signature-input": "dictionary",
    "want-content-digest": "dictionary",
    "want-repr-digest": "dictionary",
}

_FOLD = re.compile(rb"[ \t]*\r?\n[ \t]+")
_LINE = re.compile(r"[\t -~]*")  # one line of ASCII: a line break in a value would forge the lines that follow


class ComponentValues:
    """The values of one request's components, each made once, for all of its signatures.

    Args:
        request: whose.
        structured: the kinds of fields that `sf` is known for.
    """

    def __init__(self, request: RequestHead, structured: Mapping[str, str] = STRUCTURED) -> None:
        self._request = request
        self._structured = structured
        self._known: dict[str, str] = {}
        self._read: dict[tuple[str, str], Any] = {}
        self._query: list[tuple[str, str]] | None = None

    def line(self, component: Component, place: Place) -> str:
        """A component's line in the signature base, if the request was sent to `place`.

        Raises:
            NotCoverable: the request does not have the component, or in a form that cannot be signed.
        """
        if component.name in PLACED:
            return f"{component.identifier}: {_checked(self._placed(component.name, place))}"
        if component.identifier not in self._known:
            value = self._derived(component) if component.name[0] == "@" else self._field(component)
            self._known[component.identifier] = f"{component.identifier}: {_checked(value)}"
        return self._known[component.identifier]

    def _placed(self, name: str, place: Place) -> str:
        if name == "@scheme":
            return place.scheme
        if not place.authority:
            raise NotCoverable("The request does not say to which host it is sent.")
        return place.authority if name == "@authority" else f"{place.scheme}://{place.authority}{self._target()}"

    def _derived(self, component: Component) -> str:
        match component.name:
            case "@method":
                return self._request.method
            case "@path":
                return self._path()
            case "@query":
                return f"?{self._request.raw_query.decode('latin-1')}"
            case "@request-target":
                return self._target()
            case _:
                return self._query_parameter(component.query_name or "")

    def _path(self) -> str:
        return self._request.raw_path.decode("latin-1") or "/"

    def _target(self) -> str:
        query = self._request.raw_query.decode("latin-1")
        return f"{self._path()}?{query}" if query else self._path()

    def _query_parameter(self, name: str) -> str:
        if self._query is None:
            self._query = parse_qsl(self._request.raw_query.decode("latin-1"), keep_blank_values=True)
        wanted = unquote(name)
        values = [value for known, value in self._query if known == wanted]
        if len(values) != 1:
            raise NotCoverable("A covered query parameter is not in the request exactly once.")
        # The percent-encode set of HTML forms (RFC 9421, section 2.2.8), which `quote` knows but for two characters.
        return quote(values[0], safe="*").replace("~", "%7E")

    def _field(self, component: Component) -> str:
        lines = [_unfolded(line) for line in self._request.lines(component.name)]
        if not lines:
            raise NotCoverable("A covered field is not in the request.")
        if component.wrapped:
            return ", ".join(f":{base64.b64encode(line).decode()}:" for line in lines)
        if component.key is not None:
            return self._member(component.name, component.key, lines)
        if component.strict:
            return self._strict(component.name, lines)
        return b", ".join(lines).decode("latin-1")

    def _member(self, name: str, key: str, lines: list[bytes]) -> str:
        members = self._structure(name, "dictionary", lines)
        if key not in members:
            raise NotCoverable("A covered member is not in its field.")
        return written([members[key]])

    def _strict(self, name: str, lines: list[bytes]) -> str:
        if name not in self._structured:
            raise NotCoverable("A field is covered as a structured one, and is not known as such.")
        return written(self._structure(name, self._structured[name], lines))

    def _structure(self, name: str, kind: str, lines: list[bytes]) -> Any:
        if (name, kind) not in self._read:
            try:
                self._read[name, kind] = read(joined(lines), kind)
            except Malformed as error:
                raise NotCoverable("A field is covered as a structured one, and is none.") from error
        return self._read[name, kind]


def _unfolded(line: bytes) -> bytes:
    if b"\n" in line:
        line = _FOLD.sub(b" ", line)
    return line.strip(b" \t")


def _checked(value: str) -> str:
    if not _LINE.fullmatch(value):
        raise NotCoverable("A covered component has characters that cannot be signed.")
    return value
