"""The shapes of a call about many jobs. They check its body, and describe it and the answer."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from polling_api.api.shapes import EXAMPLE_ID, FIELD_PATTERN, JobDocument, PartialJobDocument
from polling_api.domain.fields import MOST_FIELDS

MOST_JOBS = 100  # in one call: what a stream of many jobs follows, and one statement reads
LONGEST_ID = 64  # characters; ids have 36, and what is longer is no id and would only be repeated
LONGEST_TAG = 200  # characters; a list of some tags of ours
LONGEST_FIELD = 80  # characters: `metadata.` and a name


class ManyUntil(StrEnum):
    """What ends a wait for many jobs."""

    CHANGE = "change"
    STATUS = "status"
    TERMINAL = "terminal"
    ALL_TERMINAL = "all_terminal"


class WantedDocument(BaseModel):
    """One job, and what the caller has seen of it."""

    model_config = ConfigDict(title="WantedJob", extra="forbid")

    id: str = Field(max_length=LONGEST_ID)
    etag: str | None = Field(default=None, max_length=LONGEST_TAG, description="The `ETag` of what you have seen.")


class BatchGetDocument(BaseModel):
    """Which jobs to read, and whether to wait for them."""

    model_config = ConfigDict(
        title="BatchGet",
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "jobs": [{"id": EXAMPLE_ID, "etag": 'W/"4-6a1f0c2b9d3e5f78"'}],
                    "wait": 30,
                    "until": "change",
                    "fields": ["status", "progress.completed"],
                }
            ]
        },
    )

    jobs: list[WantedDocument] = Field(min_length=1, max_length=MOST_JOBS)
    wait: int = Field(default=0, ge=0, description="Seconds to wait for news, cut to 30.")
    until: ManyUntil = Field(
        default=ManyUntil.CHANGE,
        description="What ends the wait: a change, a new status or the end of one of the jobs, or the end of all.",
    )
    fields: (
        list[Annotated[str, Field(max_length=LONGEST_FIELD, json_schema_extra={"pattern": FIELD_PATTERN})]] | None
    ) = Field(default=None, min_length=1, max_length=MOST_FIELDS, description="Only these, as `progress.completed`.")


class ShownJobDocument(BaseModel):
    """A job that the caller has not seen as it is."""

    model_config = ConfigDict(title="ShownJob")

    id: str
    status: Literal[200]
    etag: str = Field(description="To be sent with the next call.")
    job: JobDocument | PartialJobDocument


class SeenJobDocument(BaseModel):
    """A job that is as the caller has seen it."""

    model_config = ConfigDict(title="SeenJob")

    id: str
    status: Literal[304]


class UnknownJobDocument(BaseModel):
    """A job that is not there, or not the caller's."""

    model_config = ConfigDict(title="UnknownJob")

    id: str
    status: Literal[404]
    code: Literal["job_not_found"]


class BatchGetListDocument(BaseModel):
    """What became of each job, in the order in which they were asked for."""

    model_config = ConfigDict(title="BatchGetList")

    object: Literal["list"]
    data: list[ShownJobDocument | SeenJobDocument | UnknownJobDocument]
    waited: int = Field(ge=0, le=30, description="Whole seconds for which the answer was held.")
