"""One component that a signature covers (RFC 9421, section 2), by its identifier."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import http_sf

from polling_api.signing.canonical.errors import NotCoverable

PLACED = frozenset({"@authority", "@scheme", "@target-uri"})  # what a proxy in between may change
_DERIVED = PLACED | {"@method", "@path", "@query", "@request-target"}

_FIELD_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")  # a token of RFC 9110 in lower case


@dataclass(frozen=True, slots=True)
class Component:
    """A component's name, its parameters, and both as they are written.

    `key` is the member of a dictionary, `query_name` the query parameter that is meant (`name` on the wire); `strict`
    and `wrapped` stand for `sf` and `bs`.
    """

    name: str
    identifier: str
    key: str | None = None
    query_name: str | None = None
    strict: bool = False
    wrapped: bool = False

    @property
    def whole(self) -> bool:
        """Whether all of what it names is covered, rather than one member of it."""
        return self.key is None and self.query_name is None


def component(name: object, parameters: Mapping[str, Any]) -> Component:
    """Check and build a component.

    Raises:
        NotCoverable: it is none of a request, or its parameters do not belong to it (`tr` and `req` among them:
            there are no trailers here, and no response).
    """
    if not isinstance(name, str):
        raise NotCoverable("A covered component is not named by a string.")
    if name == "@query-param":
        query_name = parameters.get("name")
        if set(parameters) != {"name"} or not isinstance(query_name, str):
            raise NotCoverable("A query parameter is covered without being named, or with further parameters.")
        return Component(name, _identifier(name, parameters), query_name=query_name)
    if name.startswith("@"):
        if name not in _DERIVED:
            raise NotCoverable("A derived component is unknown, or not one of a request.")
        if parameters:
            raise NotCoverable("A derived component has a parameter that does not belong to it.")
        return Component(name, f'"{name}"')
    return _field(name, parameters)


def _field(name: str, parameters: Mapping[str, Any]) -> Component:
    if not _FIELD_NAME.fullmatch(name):
        raise NotCoverable("A covered component is named by what cannot be a field's name in lower case.")
    if not parameters:
        return Component(name, f'"{name}"')
    key = parameters.get("key")
    flags = {flag for flag in ("sf", "bs") if parameters.get(flag) is True}
    if flags | ({"key"} if isinstance(key, str) else set()) != set(parameters):
        raise NotCoverable("A covered field has a parameter that is unknown, or has a wrong value.")
    if "bs" in flags and len(parameters) > 1:
        raise NotCoverable("A covered field cannot be wrapped and read at once.")
    return Component(name, _identifier(name, parameters), key=key, strict="sf" in flags, wrapped="bs" in flags)


def _identifier(name: str, parameters: Mapping[str, Any]) -> str:
    return http_sf.ser((name, dict(parameters)))
