"""The shapes of a submitted batch, and of the job that is made of it: described here, and checked by `submission`."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from polling_api.api.shapes import JobDocument
from polling_api.api.webhook_shapes import WebhookDocument


class RequestDocument(BaseModel):
    """One request of a batch; `body` goes to the provider as it is."""

    model_config = ConfigDict(title="Request", extra="forbid")

    custom_id: str = Field(min_length=1, max_length=512, description="Unique in the job.")
    body: dict[str, Any]


class SubmissionDocument(BaseModel):
    """A batch to be run."""

    model_config = ConfigDict(
        title="Submission",
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "requests": [
                        {
                            "custom_id": "film-1",
                            "body": {
                                "model": "gpt-4o-mini",
                                "messages": [{"role": "user", "content": "The genre of Alien, in one word?"}],
                            },
                        }
                    ],
                    "endpoint": "/v1/chat/completions",
                    "metadata": {"team": "films", "simulator": "queued 0.2s, in_progress 2s @50%, succeeded"},
                    "expires_in": 3600,
                }
            ]
        },
    )

    requests: list[RequestDocument] = Field(min_length=1, max_length=50_000)
    endpoint: str | None = Field(default="/v1/chat/completions", description="One that the provider's batches know.")
    metadata: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=64)], Annotated[str, Field(max_length=512)]] | None,
        Field(
            max_length=15,
            description="Strings. `simulator` is the script of a simulated batch: steps divided by commas, each "
            '`status [duration "s"] ["@" percent "%"] ["fail=" n]`.',
        ),
    ] = None
    expires_in: float | None = Field(
        default=None, gt=0, le=604_800, description="The job's own deadline, in seconds; at most a week."
    )
    webhook: WebhookDocument | None = Field(
        default=None, description="Where this job is told besides; signed with the `webhook_secret` of the answer."
    )


class SubmittedJobDocument(JobDocument):
    """A job that was submitted just now."""

    model_config = ConfigDict(title="SubmittedJob")

    webhook_secret: str = Field(
        default="",
        description="`whsec_…`, by which the job's own webhook is signed; where one was asked for, and this once.",
    )
