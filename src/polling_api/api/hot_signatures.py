"""What the hot reads take: they read it from the request themselves, and these functions only tell of it."""

from typing import Annotated

from fastapi import Header, Query

from polling_api.api.parameters import AccessToken, Fields, Prefer, Refusals, Wait
from polling_api.api.preferences import Until
from polling_api.api.shapes import EXAMPLE_ID, IDS_PATTERN, JobId


async def status(
    job_id: JobId,
    fields: Fields = None,
    wait: Wait = None,
    until: Annotated[Until, Query(description="What ends the wait.")] = Until.CHANGE,
    prefer: Prefer = None,
    if_none_match: Annotated[str | None, Header(description="The `ETag` of what you have seen.")] = None,
    if_modified_since: Annotated[str | None, Header(description="Its `Last-Modified`; `If-None-Match` wins.")] = None,
) -> None:
    """The job's present state: `200`, or `304` if you have seen it.

    With a wait it is a long poll: answered as soon as the job differs from your `ETag` (without one: at its next
    change), or when the time is over. A finished job never makes you wait. Keep the `ETag`, send it back, and ask
    again after `X-Poll-Interval` seconds.
    """


async def events(
    job_id: JobId,
    fields: Fields = None,
    access_token: AccessToken = None,
    refusals: Refusals = None,
    last_event_id: Annotated[
        str | None, Query(description="The version you have seen, where the header cannot be set.")
    ] = None,
    last_event_id_header: Annotated[
        str | None, Header(alias="Last-Event-ID", description="The version you have seen; EventSource sends it.")
    ] = None,
) -> None:
    """The job's versions as Server-Sent Events, until its end.

    The first event is the present state. After a reconnect with `Last-Event-ID` every status since then comes in
    order, none twice; progress in between may be skipped. A comment comes every 15 s.
    """


async def many_events(
    ids: Annotated[
        str | None,
        Query(
            description="1 to 100 ids, divided by commas. Without it a client gets all its jobs, and whoever has a "
            "token those that it names.",
            examples=[EXAMPLE_ID],
            json_schema_extra={"pattern": IDS_PATTERN},
        ),
    ] = None,
    fields: Fields = None,
    access_token: AccessToken = None,
    refusals: Refusals = None,
    last_event_id: Annotated[
        str | None, Query(description="The id of the last event you have seen, where the header cannot be set.")
    ] = None,
    last_event_id_header: Annotated[
        str | None,
        Header(alias="Last-Event-ID", description="The id of the last event you have seen; EventSource sends it."),
    ] = None,
) -> None:
    """The versions of many jobs as Server-Sent Events, until all have ended.

    First comes each job's present state. The id of an event is a cursor: after a reconnect with it, to any node and for
    the same jobs, every status since then comes in order, none twice. A job that is not there, or is deleted meanwhile,
    is told by an `event: problem`. The stream of all of a client's jobs has no end: it begins with those that have not
    ended, and goes on with those that are submitted later.
    """
