"""Small JSON bodies of calls that are no submissions: read whole, strictly, and held to a model."""

import json
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import ClientDisconnect, Request

from polling_api.api.negotiation import JSON
from polling_api.errors import BadRequest, FieldError, Invalid, TooLarge, Unsupported

MOST_BYTES = 64 * 1024  # a token for a hundred jobs takes four; what is longer is no such call

Model = TypeVar("Model", bound=BaseModel)


async def read_body(request: Request, model: type[Model]) -> Model:
    """The body of a request; none at all stands for an empty object.

    Raises:
        Unsupported: there is one, and it is not said to be JSON.
        TooLarge: it is longer than any that this call may have.
        BadRequest: it is not JSON (`malformed_json`), or ends early (`body_cut`).
        Invalid: it breaks the model's rules; all that are broken are named.
    """
    body = await collected(request, MOST_BYTES)
    if body and request.headers.get("content-type", "").split(";")[0].strip().lower() != JSON:
        raise Unsupported(f"The body is sent as {JSON}.")
    body = body or b"{}"
    sent = _parsed(body)
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        broken = [FieldError(_pointer(one, sent), one["msg"]) for one in error.errors()]
        raise Invalid(f"{broken[0].pointer or 'the body'}: {broken[0].message}.", errors=broken) from None


async def collected(request: Request, most: int) -> bytes:
    """The whole body of a request.

    Raises:
        TooLarge: it has more than `most` bytes.
        BadRequest: it ends early (`body_cut`).
    """
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise TooLarge(f"The body of this call has at most {most} bytes.")
    except ClientDisconnect:
        raise BadRequest("The body ended before it was whole.", code="body_cut") from None
    return bytes(body)


def _parsed(body: bytes) -> Any:
    """What a body holds; what the model's parser would let pass is refused: doubled names, numbers that are none."""
    try:
        return json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        # Of the parser's own words only those that say where: it repeats what it cannot read.
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "it cannot be read"
        raise BadRequest(f"The body is not JSON: {reason}.", code="malformed_json") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose members have different names: of two readers each might take another."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice in an object")
    return members


def _no_number(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")


def _pointer(error: ErrorDetails, sent: Any) -> str:
    """Where in the body a rule is broken (JSON Pointer, RFC 6901).

    Of a value that may be one of several kinds Pydantic names the kind too, as if it were a member of it.
    """
    parts: list[str] = []
    for part in error["loc"]:
        if error["type"] == "missing" or isinstance(part, int) or (isinstance(sent, dict) and part in sent):
            parts.append(str(part).replace("~", "~0").replace("/", "~1"))
            sent = _member(sent, part)
    return "".join(f"/{part}" for part in parts)


def _member(sent: Any, name: int | str) -> Any:
    """A member or an item; None where there is none, as of one that is missing."""
    try:
        return sent[name]
    except (LookupError, TypeError):
        return None
