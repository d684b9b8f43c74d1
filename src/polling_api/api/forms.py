"""In which form a caller wants what it asks for: `?fields=`, over the form of the set that is asked."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from polling_api.domain.fields import JOB, MOST_FIELDS, Fields, Shape, fields_of, picked
from polling_api.errors import FieldError, Invalid
from polling_api.representation import Form

LONGEST = 2000  # characters: all the fields there are take some 400
_SHOWN_OF_A_NAME = 64  # characters in a refusal

Item = TypeVar("Item")


def asked_form(form: Form, parameters: Mapping[str, list[str]]) -> Form:
    """The form of a job that a query asks for.

    Args:
        form: of the set.
        parameters: the query's.

    Raises:
        Invalid: `fields` stands twice, is empty or too long, or names what no job has.
    """
    values = parameters.get("fields")
    return form if values is None else form._replace(fields=_queried(values))


def asked_fields(shape: Shape, value: str | None) -> Fields | None:
    """The members of a resource that `?fields=` names; None where it is not given, and all are wanted.

    Raises:
        Invalid: it is empty or too long, or names what no such resource has.
    """
    return None if value is None else _checked(shape, value)


def only(shown: Callable[[Item], dict[str, Any]], fields: Fields | None) -> Callable[[Item], dict[str, Any]]:
    """How an item is shown of which only some members are wanted."""
    return shown if fields is None else lambda item: picked(shown(item), fields)


def in_link(fields: Fields | None) -> dict[str, str]:
    """What the way to the next page says of fields."""
    return {} if fields is None else {"fields": ",".join(fields)}


def _queried(values: list[str]) -> Fields:
    if len(values) != 1:
        raise _malformed()
    return _checked(JOB, values[0])


def _checked(shape: Shape, value: str) -> Fields:
    if len(value) > LONGEST:
        raise _malformed()
    return _named(shape, value)


@lru_cache(maxsize=256)  # every poll of a client has the same
def _named(shape: Shape, value: str) -> Fields:
    names = [name.strip() for name in value.split(",")]
    if unknown := shape.unknown_among(names):
        raise Invalid(
            f"{shape.called} has no such field.",
            errors=[FieldError("?fields", f"{name[:_SHOWN_OF_A_NAME]!r} is no field") for name in unknown],
        )
    if len(names) > MOST_FIELDS:
        raise Invalid("These are more fields than there are.", errors=[FieldError("?fields", f"over {MOST_FIELDS}")])
    return fields_of(names)


def _malformed() -> Invalid:
    rule = f"names divided by commas, at most {LONGEST} characters, given once"
    return Invalid(f"`fields` has {rule}.", errors=[FieldError("?fields", f"not {rule}")])
