"""The fields `Signature-Input` and `Signature` (RFC 9421, section 4)."""

import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from polling_api.signing.canonical.component import Component, component
from polling_api.signing.canonical.errors import Malformed, NotCoverable
from polling_api.signing.canonical.structured import joined, read, written

MOST_COMPONENTS = 32  # covered by one signature; the contract asks for five

# What nearly every request has: one signature, over components without parameters, with integers and plain strings.
# Such a text is its own canonical form, so it need not be read and written again: 5 µs rather than 65 with http-sf,
# which reads all others. A test holds the two together.
_STRING = r'"[ !#-\[\]-~]*"'
_NAMES = r'\((?:"[!#-\[\]-~]+"(?: "[!#-\[\]-~]+")*)?\)'
_PARAMETER = rf"([a-z*][a-z0-9_.*-]*)=({_STRING}|0|-?[1-9][0-9]{{0,14}})"
_PLAIN = re.compile(rf"([a-z*][a-z0-9_.*-]*)=(({_NAMES})((?:;{_PARAMETER})*))")
_PLAIN_SIGNATURE = re.compile(rb"([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]{43}=):")  # one, of 32 bytes
_PARAMETERS = re.compile(f";{_PARAMETER}")


@dataclass(frozen=True, slots=True)
class SignatureInput:
    """What a signature says of itself: the components it covers, its parameters, and both as they are signed."""

    components: tuple[Component, ...]
    parameters: Mapping[str, Any]
    text: str


def read_signature_inputs(lines: Sequence[bytes]) -> dict[str, SignatureInput]:
    """All members of `Signature-Input`, by their labels.

    Args:
        lines: the field's lines, in order.

    Raises:
        Malformed: they are no dictionary of inner lists, or name a label, parameter or component twice.
        NotCoverable: a component is unknown, or there are too many of them.
    """
    value = joined(lines)
    if plain := _PLAIN.fullmatch(value.decode("latin-1")):
        label, text, names, parameters = plain.group(1, 2, 3, 4)
        return {label: SignatureInput(_plain_components(names), _plain_parameters(parameters), text)}
    return {label: _signature_input(member) for label, member in read(value, "dictionary").items()}


def read_signatures(lines: Sequence[bytes]) -> dict[str, bytes]:
    """All members of `Signature`, by their labels.

    Raises:
        Malformed: they are no dictionary of byte sequences, or name a label twice.
    """
    value = joined(lines)
    if plain := _PLAIN_SIGNATURE.fullmatch(value):
        return {plain[1].decode("ascii"): b64decode(plain[2])}
    members = read(value, "dictionary")
    if not all(isinstance(value, bytes) for value, _ in members.values()):
        raise Malformed("A signature is not a sequence of bytes.")
    return {label: value for label, (value, _) in members.items()}


def _signature_input(member: tuple[Any, Mapping[str, Any]]) -> SignatureInput:
    if not isinstance(member[0], list):
        raise Malformed("A signature's input is not a list of components.")
    covered, parameters = cast("list[tuple[Any, Mapping[str, Any]]]", member[0]), member[1]
    return SignatureInput(_components([component(name, own) for name, own in covered]), parameters, written([member]))


def _components(covered: Sequence[Component]) -> tuple[Component, ...]:
    if len(covered) > MOST_COMPONENTS:
        raise NotCoverable("A signature covers more components than are looked at.")
    # Of two equal ones a component may differ in the order of its parameters alone; the values are what counts.
    if len({(one.name, one.key, one.query_name, one.strict, one.wrapped) for one in covered}) < len(covered):
        raise NotCoverable("A signature covers a component twice.")
    return tuple(covered)


@lru_cache(maxsize=64)  # a client covers the same ones time and again; at most 64 texts of 8 KiB
def _plain_components(names: str) -> tuple[Component, ...]:
    return _components([component(name, {}) for name in names[2:-2].split('" "')] if len(names) > 2 else [])  # noqa: PLR2004 - `()`


def _plain_parameters(text: str) -> dict[str, Any]:
    found = _PARAMETERS.findall(text)
    parameters = {name: value[1:-1] if value[0] == '"' else int(value) for name, value in found}
    if len(parameters) < len(found):
        raise Malformed("A field names a member or a parameter twice.")
    return parameters
