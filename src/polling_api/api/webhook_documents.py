"""What the OpenAPI document says of the answers to calls about webhooks."""

from typing import Any

from polling_api.api.described import Responses, described, problems

_EVERY = ("unavailable", "internal")
_BODY = ("body_cut", "malformed_json", "body_too_large", "unsupported_media_type", "invalid_request", *_EVERY)
_KEPT_NOWHERE = ("Cache-Control", "Vary")

ENDPOINTS: Responses = {
    200: described("A page of webhook endpoints.", "Link", *_KEPT_NOWHERE),
    **problems("bad_cursor", "invalid_request", *_EVERY),
}
ENDPOINT: Responses = {
    200: described("The webhook endpoint.", *_KEPT_NOWHERE),
    **problems("endpoint_not_found", "invalid_request", *_EVERY),
}
MADE_ENDPOINT: Responses = {
    201: described("The endpoint, with its secret, which is told this once.", *_KEPT_NOWHERE),
    **problems("too_many_endpoints", *_BODY),
}
CHANGED_ENDPOINT: Responses = {
    200: described("The endpoint as it is now.", *_KEPT_NOWHERE),
    **problems("endpoint_not_found", *_BODY),
}
DELETED_ENDPOINT: Responses = {
    204: described("It is told nothing any more.", *_KEPT_NOWHERE),
    **problems("endpoint_not_found", *_EVERY),
}
ROTATED_SECRET: Responses = {
    201: described("The endpoint, with its new secret, which is told this once.", *_KEPT_NOWHERE),
    **problems("endpoint_not_found", *_BODY),
}
TESTED: Responses = {
    202: described("A message of type `webhook.test` is on its way.", *_KEPT_NOWHERE),
    **problems("endpoint_not_found", "endpoint_disabled", *_EVERY),
}
DELIVERIES: Responses = {
    200: described("A page of deliveries.", "Link", *_KEPT_NOWHERE),
    **problems("bad_cursor", "invalid_request", *_EVERY),
}
DELIVERY: Responses = {
    200: described("The delivery with its attempts.", *_KEPT_NOWHERE),
    **problems("delivery_not_found", "invalid_request", *_EVERY),
}
REPLAYED: Responses = {
    202: described("It is sent again, under the same id.", *_KEPT_NOWHERE),
    **problems("delivery_not_found", "endpoint_disabled", "delivery_superseded", *_EVERY),
}
REPLAYED_MANY: Responses = {
    202: described("They are sent again, each under its id.", *_KEPT_NOWHERE),
    **problems(*_BODY),
}


def _body(model: str, example: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{model}"}
    return {
        "requestBody": {"required": required, "content": {"application/json": {"schema": schema, "example": example}}}
    }


NEW_ENDPOINT_BODY = _body(
    "NewEndpointDocument", {"url": "https://example.org/hooks", "events": ["terminal"]}, required=True
)
CHANGED_ENDPOINT_BODY = _body("ChangedEndpointDocument", {"events": ["terminal", "status"]})
ROTATION_BODY = _body("SecretRotationDocument", {"overlap": 86_400})
REPLAY_BODY = _body("ReplayDocument", {"created_after": "2026-11-23T09:00:00Z"})
