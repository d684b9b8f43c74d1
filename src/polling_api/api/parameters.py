"""Parameters that several calls have, as the OpenAPI document tells them, and as ordinary routes are held to them."""

import re
from typing import Annotated, Any

from fastapi import Header, Query
from pydantic import BeforeValidator

from polling_api.api.shapes import fields_pattern
from polling_api.domain import fields

_DIGITS = re.compile("-?[0-9]+")


def _fields(shape: fields.Shape, example: str) -> Any:
    return Query(
        description=f"Only these members, divided by commas, as `{example}`.",
        examples=[example],
        json_schema_extra={"pattern": fields_pattern(shape)},
    )


def _in_digits(value: Any) -> Any:
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise ValueError("a whole number is written in digits alone")
    return value


Wait = Annotated[
    int | None,
    Query(ge=0, description="Seconds to wait for a change, cut to 30. It wins over `Prefer: wait=N`."),
]
Prefer = Annotated[str | None, Header(description="`wait=N` (RFC 7240).", examples=["wait=30"])]
IdempotencyKey = Annotated[
    str | None,
    Header(
        description="Sending the same again within 24 h gives the same job. 22 to 255 characters; a UUID will do.",
        examples=["8e03978e-40d5-43e8-bc93-6894a57f9324"],
        json_schema_extra={"pattern": "^[!#-~][ -~]{20,253}[!-~]$"},
    ),
]
AccessToken = Annotated[
    str | None,
    Query(description="An access token, for browsers' EventSource, which cannot send `Authorization`. Here alone."),
]
Refusals = Annotated[
    str | None,
    Query(
        description="`stream`: a `429` or `503` comes as a `200` stream of one `event: problem`, with a `retry:`. A "
        "browser's EventSource would give up at any other status; it still does at `401`, `403` and `404`. Any other "
        "value is ignored.",
        examples=["stream"],
    ),
]
Fields = Annotated[str | None, _fields(fields.JOB, "status,progress.completed")]
VersionFields = Annotated[str | None, _fields(fields.VERSION, "status,at")]
ResultFields = Annotated[str | None, _fields(fields.RESULT, "custom_id,response.body")]
ClientFields = Annotated[str | None, _fields(fields.CLIENT, "id,limits.hour")]
KeyFields = Annotated[str | None, _fields(fields.KEY, "id,expires_at")]
AuditFields = Annotated[str | None, _fields(fields.AUDIT, "at,actor,action")]
EndpointFields = Annotated[str | None, _fields(fields.ENDPOINT, "id,url,status")]
DeliveryFields = Annotated[str | None, _fields(fields.DELIVERY, "id,status,attempts.status_code")]
# Of a number as a person may write it, the framework would make one too: `+1`, `1.0`, `1_000`. Put it after the bounds:
# else they would be told by names that no JSON Schema knows, and so by none.
IN_DIGITS = BeforeValidator(_in_digits)
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many."), IN_DIGITS]
PageLimit = Annotated[
    int, Query(ge=1, le=1000, description="At most so many in a page; fewer if they are large."), IN_DIGITS
]
After = Annotated[int | None, Query(ge=0, le=2**31 - 1, description="The index after which to begin."), IN_DIGITS]
