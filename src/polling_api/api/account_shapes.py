"""The shapes of what clients have besides jobs: keys, tokens, and themselves. They check bodies, and describe them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from polling_api.api.shapes import PartialDocument
from polling_api.domain.caller import Scope
from polling_api.domain.client import LONGEST_LIFE, LONGEST_OVERLAP

LONGEST_TOKEN_LIFE = 86_400  # seconds: whoever needs a token for longer asks for another
MOST_JOBS = 100  # named in a token: it goes with every request

_TIME: JsonDict = {"format": "date-time"}
ExpiresAt = Annotated[str | None, Field(description="When it ends by itself.", json_schema_extra=_TIME)]


class NewKeyDocument(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(title="NewKey", extra="forbid")

    expires_in: float | None = Field(
        default=None, gt=0, le=LONGEST_LIFE, allow_inf_nan=False, description="Seconds until it ends by itself."
    )


class RotationDocument(BaseModel):
    """How long a key and its successor are good side by side."""

    model_config = ConfigDict(title="Rotation", extra="forbid")

    overlap: float = Field(
        default=3600, ge=0, le=LONGEST_OVERLAP, allow_inf_nan=False, description="Seconds until the old key ends."
    )


class KeyDocument(BaseModel):
    """A key of a client."""

    model_config = ConfigDict(title="Key")

    object: Literal["key"]
    id: str
    created_at: str = Field(json_schema_extra=_TIME)
    expires_at: ExpiresAt
    revoked_at: str | None = Field(json_schema_extra=_TIME)
    last_used_at: str | None = Field(description="To the minute.", json_schema_extra=_TIME)


class MadeKeyDocument(KeyDocument):
    """A key that was made just now."""

    model_config = ConfigDict(title="MadeKey")

    secret: str = Field(description="Base64 of 32 random bytes. It is told this once.")


class KeyListDocument(BaseModel):
    """A page of keys, the newest first."""

    model_config = ConfigDict(title="KeyList")

    object: Literal["list"]
    data: list[KeyDocument | PartialDocument]
    has_more: bool
    next_cursor: str | None


class NewTokenDocument(BaseModel):
    """An access token to be made."""

    model_config = ConfigDict(title="NewAccessToken", extra="forbid")

    jobs: Annotated[list[str], Field(min_length=1, max_length=MOST_JOBS)] | Literal["all"] = Field(
        description="Up to 100 jobs of yours, or `all`: those that you submit later too."
    )
    scopes: list[Scope] = Field(
        default_factory=lambda: [Scope.STATUS, Scope.EVENTS],
        min_length=1,
        max_length=len(Scope),
        description="What its bearer may do; `status` includes the history.",
    )
    expires_in: float = Field(
        default=900, ge=1, le=LONGEST_TOKEN_LIFE, allow_inf_nan=False, description="Seconds until it ends."
    )


class TokenDocument(BaseModel):
    """An access token that was made just now."""

    model_config = ConfigDict(title="AccessToken")

    token: str = Field(description="For `Authorization: Bearer`. It is told this once.")
    expires_at: str = Field(json_schema_extra=_TIME)
    scopes: list[Scope]
    jobs: list[str] | Literal["all"]


class ClientDocument(BaseModel):
    """Who signed the request."""

    model_config = ConfigDict(title="Client")

    object: Literal["client"]
    id: str
    name: str
    key_id: str
    limits: dict[str, Any]
    api_version: str
