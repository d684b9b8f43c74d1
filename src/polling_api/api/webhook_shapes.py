"""The shapes of webhook endpoints and deliveries. They check bodies, and describe them."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from polling_api.api.shapes import PartialDocument
from polling_api.domain.webhook import LONGEST_OVERLAP, DeliveryStatus, DisabledBecause, EndpointStatus, Topic

DELIVERY_PATTERN, ENDPOINT_PATTERN = "^whd_[0-9a-f]{32}$", "^whe_[0-9a-f]{32}$"
JOB_PATTERN = "^job_[0-9a-f]{32}$"
LONGEST_URL = 2048  # characters

_TIME: JsonDict = {"format": "date-time"}
_URL = "Where messages are sent: http or https, and no address of a private network."
_EVENTS = "`terminal`: the end of a job. `status`: every change of its status, the end too."


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # its offset leads out of the calendar, where no database follows
        raise PydanticCustomError("moment", "A moment lies between the years 1 and 9999, in UTC") from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Events = Annotated[list[Literal["terminal", "status"]], Field(min_length=1, max_length=2, description=_EVENTS)]
Url = Annotated[str, Field(min_length=1, max_length=LONGEST_URL, description=_URL)]


class WebhookDocument(BaseModel):
    """Where one job is told besides."""

    model_config = ConfigDict(title="Webhook", extra="forbid")

    url: Url
    events: Events | None = Field(default=None, description=f"{_EVENTS} Of unsigned submits the end alone is told.")


class NewEndpointDocument(BaseModel):
    """A webhook endpoint to be made."""

    model_config = ConfigDict(title="NewWebhookEndpoint", extra="forbid")

    url: Url
    events: Events = Field(default_factory=lambda: ["terminal"])


class ChangedEndpointDocument(BaseModel):
    """What is to become of a webhook endpoint; what is left out stays."""

    model_config = ConfigDict(title="ChangedWebhookEndpoint", extra="forbid")

    url: Url | None = None
    events: Events | None = None
    status: Literal["enabled", "disabled"] | None = Field(
        default=None, description="A disabled endpoint is told nothing; what was to be told it is given up."
    )


class SecretRotationDocument(BaseModel):
    """How long an endpoint's old secret signs beside the new one."""

    model_config = ConfigDict(title="SecretRotation", extra="forbid")

    overlap: float = Field(
        default=86_400, ge=0, le=LONGEST_OVERLAP, allow_inf_nan=False, description="Seconds of two signatures."
    )


class EndpointDocument(BaseModel):
    """A webhook endpoint."""

    model_config = ConfigDict(title="WebhookEndpoint")

    object: Literal["webhook_endpoint"]
    id: str = Field(json_schema_extra={"pattern": ENDPOINT_PATTERN})
    url: str
    events: list[Topic]
    status: EndpointStatus
    disabled_because: DisabledBecause | None = Field(description="`gone`: it answered 410. `owner`: you said so.")
    created_at: str = Field(json_schema_extra=_TIME)
    failing_since: str | None = Field(
        description="The first failure after the last success; null while all is well.", json_schema_extra=_TIME
    )


class MadeEndpointDocument(EndpointDocument):
    """A webhook endpoint with a secret that was made just now."""

    model_config = ConfigDict(title="MadeWebhookEndpoint")

    secret: str = Field(description="`whsec_…`, for Standard Webhooks. It is told this once.")


class EndpointListDocument(BaseModel):
    """A page of webhook endpoints, the newest first."""

    model_config = ConfigDict(title="WebhookEndpointList")

    object: Literal["list"]
    data: list[EndpointDocument | PartialDocument]
    has_more: bool
    next_cursor: str | None


class AttemptDocument(BaseModel):
    """One attempt to tell a receiver."""

    model_config = ConfigDict(title="WebhookAttempt")

    at: str = Field(json_schema_extra=_TIME)
    status_code: int | None = Field(description="Null where there was no answer.")
    duration_ms: int
    error: str | None = Field(description="Why it failed; null where it did not.")
    body: str | None = Field(description="The first KB of the answer.")


class DeliveryDocument(BaseModel):
    """What is told, or was, to one receiver; `id` is its `webhook-id`, the same at every attempt."""

    model_config = ConfigDict(title="WebhookDelivery")

    object: Literal["webhook_delivery"]
    id: str = Field(json_schema_extra={"pattern": DELIVERY_PATTERN})
    endpoint_id: str | None = Field(description="Null: the job's own webhook.")
    job_id: str | None = Field(description="Null: a test of the endpoint.")
    version: int | None
    event: str
    status: DeliveryStatus
    created_at: str = Field(json_schema_extra=_TIME)
    next_attempt_at: str | None = Field(json_schema_extra=_TIME)
    attempts: list[AttemptDocument] = Field(description="The last twenty.")


class DeliveryListDocument(BaseModel):
    """A page of deliveries, the newest first."""

    model_config = ConfigDict(title="WebhookDeliveryList")

    object: Literal["list"]
    data: list[DeliveryDocument | PartialDocument]
    has_more: bool
    next_cursor: str | None


class ReplayDocument(BaseModel):
    """Which dead letters are to be sent again; without any member, all of yours."""

    model_config = ConfigDict(title="WebhookReplay", extra="forbid")

    endpoint_id: str | None = Field(default=None, pattern=ENDPOINT_PATTERN)
    job_id: str | None = Field(default=None, pattern=JOB_PATTERN)
    created_after: Moment | None = Field(default=None, description="Only those made later.")
    created_before: Moment | None = Field(default=None, description="Only those made earlier.")


class ReplayedDocument(BaseModel):
    """How many are sent again."""

    model_config = ConfigDict(title="WebhookReplayed")

    object: Literal["webhook_replay"]
    replayed: int
    has_more: bool = Field(description="Whether there are more; the same call sends those.")
