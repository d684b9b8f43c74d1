"""In which form a caller wants jobs: `?fields=`, over the form of the set that is asked."""

from collections.abc import Mapping
from functools import lru_cache

from polling_api.domain.fields import MOST_FIELDS, Fields, fields_of, unknown_among
from polling_api.errors import FieldError, Invalid
from polling_api.representation import Form

LONGEST = 2000  # characters: all the fields there are take some 400
_SHOWN_OF_A_NAME = 64  # characters in a refusal


def asked_form(form: Form, parameters: Mapping[str, list[str]]) -> Form:
    """The form that a query asks for.

    Args:
        form: of the set.
        parameters: the query's.

    Raises:
        Invalid: `fields` stands twice, is empty or too long, or names what no job has.
    """
    values = parameters.get("fields")
    return form if values is None else form._replace(fields=_queried(values))


def _queried(values: list[str]) -> Fields:
    if len(values) != 1 or len(values[0]) > LONGEST:
        rule = f"names divided by commas, at most {LONGEST} characters, given once"
        raise Invalid(f"`fields` has {rule}.", errors=[FieldError("?fields", f"not {rule}")])
    return _named(values[0])


@lru_cache(maxsize=256)  # every poll of a client has the same
def _named(value: str) -> Fields:
    names = [name.strip() for name in value.split(",")]
    if unknown := unknown_among(names):
        raise Invalid(
            "A job has no such field.",
            errors=[FieldError("?fields", f"{name[:_SHOWN_OF_A_NAME]!r} is no field") for name in unknown],
        )
    if len(names) > MOST_FIELDS:
        raise Invalid("These are more fields than a job has.", errors=[FieldError("?fields", f"over {MOST_FIELDS}")])
    return fields_of(names)
