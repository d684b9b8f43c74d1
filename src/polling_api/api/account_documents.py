"""What the OpenAPI document says of the answers to clients' calls about themselves."""

from typing import Any

from polling_api.api.described import Responses, described, problems

_EVERY = ("unavailable", "internal")
_BODY = ("body_cut", "malformed_json", "body_too_large", "unsupported_media_type", "invalid_request", *_EVERY)
_KEPT_NOWHERE = ("Cache-Control", "Vary")

WHOAMI: Responses = {200: described("The client and its key.", *_KEPT_NOWHERE), **problems("invalid_request", *_EVERY)}
KEYS: Responses = {
    200: described("A page of keys.", "Link", *_KEPT_NOWHERE),
    **problems("bad_cursor", "invalid_request", *_EVERY),
}
MADE_KEY: Responses = {
    201: described("The key, with its secret, which is told this once.", *_KEPT_NOWHERE),
    **problems("key_ended", "too_many_keys", *_BODY),
}
ROTATED_KEY: Responses = {
    201: described("The successor, with its secret, which is told this once.", *_KEPT_NOWHERE),
    **problems("key_not_found", "key_ended", "too_many_keys", *_BODY),
}
REVOKED_KEY: Responses = {
    204: described("It has ended, and so have those that it made.", *_KEPT_NOWHERE),
    **problems("key_not_found", *_EVERY),
}
MADE_TOKEN: Responses = {
    201: described("The token, which is told this once.", *_KEPT_NOWHERE),
    **problems("job_not_found", *_BODY),
}
AUDIT: Responses = {
    200: described("A page of the log.", "Link", *_KEPT_NOWHERE),
    **problems("bad_cursor", "invalid_request", *_EVERY),
}
LIST: Responses = {
    200: described("A page of jobs.", "ETag", "Link", "Cache-Control", "Vary"),
    304: described("The page is as the caller's validator says.", "ETag", "Cache-Control", "Vary"),
    **problems("bad_cursor", "invalid_request", *_EVERY),
}


def _body(model: str, example: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{model}"}
    return {
        "requestBody": {"required": required, "content": {"application/json": {"schema": schema, "example": example}}}
    }


NEW_KEY_BODY = _body("NewKeyDocument", {"expires_in": 7_776_000})
ROTATION_BODY = _body("RotationDocument", {"overlap": 3600})
NEW_TOKEN_BODY = _body(
    "NewTokenDocument", {"jobs": "all", "scopes": ["status", "events"], "expires_in": 900}, required=True
)
