"""What a setting looks like: in the code, and in the environment."""

import json
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from polling_api.webhooks.standard import key_of

MIB = 1024 * 1024
SHORTEST_MASTER_KEY = 16  # characters; what `openssl rand -hex 32` gives has 64


def setting(
    default: Any, unit: str, reason: str, *, ge: float | None = None, gt: float | None = None, le: float | None = None
) -> Any:
    """A setting: its default, its unit, and why it is so."""
    return Field(default=default, description=reason, json_schema_extra={"unit": unit}, ge=ge, gt=gt, le=le)


def _listed(value: Any) -> Any:
    """A list written as JSON, or with commas between its items."""
    if not isinstance(value, str):
        return value
    return json.loads(value) if value.lstrip().startswith("[") else [item.strip() for item in value.split(",") if item]


MasterKey = Annotated[SecretStr, Field(min_length=SHORTEST_MASTER_KEY)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]


def _webhook_secret(secret: SecretStr) -> SecretStr:
    key_of(secret.get_secret_value())
    return secret


WebhookSecret = Annotated[SecretStr, AfterValidator(_webhook_secret)]
WebhookSecrets = Annotated[tuple[WebhookSecret, ...], NoDecode, BeforeValidator(_listed)]
Ports = Annotated[tuple[Annotated[int, Field(ge=1, le=65_535)], ...], NoDecode, BeforeValidator(_listed)]
Ceilings = Annotated[
    tuple[Annotated[float, Field(gt=0, le=7 * 86_400)], ...],
    Field(min_length=1, max_length=20),
    NoDecode,
    BeforeValidator(_listed),
]
Addresses = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_listed)]
MasterKeys = Annotated[tuple[MasterKey, ...], NoDecode, BeforeValidator(_listed)]
