"""`polling-api webhooks`."""

# ruff: noqa: PLC0415 - whoever asks for another command waits for none of this

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polling_api.commands.output import AsJson, tell, tell_all
from polling_api.commands.start import fail
from polling_api.domain.webhook import DeliveryStatus

if TYPE_CHECKING:
    from polling_api.store.engine import Engine
    from polling_api.store.webhook_deliveries import DeliveryRow
    from polling_api.store.webhook_endpoints import EndpointRow

AT_ONCE = 500  # in one read

app = typer.Typer(name="webhooks", help="Who is told of jobs, and what came of it.", no_args_is_help=True)

OfClient = Annotated[str | None, typer.Option("--client", help="Only of this client, as `cl_…`.")]
OfEndpoint = Annotated[str | None, typer.Option("--endpoint", help="Only of this endpoint, as `whe_…`.")]
OfJob = Annotated[str | None, typer.Option("--job", help="Only of this job, as `job_…`.")]
DeliveryId = Annotated[str, typer.Argument(help="As `whd_…`.")]


@app.command()
def endpoints(client: OfClient = None, *, as_json: AsJson = False) -> None:
    """List endpoints, the newest first, and since when they fail."""
    from polling_api.commands.reach import look
    from polling_api.store import webhook_endpoints
    from polling_api.store.keys import Place

    async def work(engine: "Engine") -> list["EndpointRow"]:
        found = list["EndpointRow"]()
        some = await webhook_endpoints.page(engine, client, after=None, limit=AT_ONCE)
        while some:
            found += some
            after = Place(some[-1].created_at, some[-1].id)
            some = await webhook_endpoints.page(engine, client, after=after, limit=AT_ONCE)
        return found

    columns = ("id", "client_id", "url", "events", "status", "disabled_because", "failing_since")
    tell_all([_endpoint(row) for row in look(work)], columns, as_json=as_json)


@app.command()
def deliveries(
    client: OfClient = None,
    *,
    endpoint: OfEndpoint = None,
    job: OfJob = None,
    status: Annotated[DeliveryStatus | None, typer.Option(help="Only in this status; `dead` are dead letters.")] = None,
    before: Annotated[str | None, typer.Option(help="Only those made before this one: the next page.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The newest so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List deliveries, the newest first, page by page: `--before` takes the last id of the page before."""
    from polling_api.commands.reach import look
    from polling_api.store import webhook_deliveries
    from polling_api.store.keys import Place
    from polling_api.store.webhook_deliveries import Asked

    asked = Asked(client_id=client, endpoint_id=endpoint, job_id=job, status=status)

    async def work(engine: "Engine") -> list["DeliveryRow"]:
        last = None if before is None else await webhook_deliveries.find(engine, None, before)
        after = None if last is None else Place(last.created_at, last.id)
        return await webhook_deliveries.page(engine, asked, after=after, limit=limit)

    rows = look(work)
    columns = ("id", "endpoint_id", "job_id", "version", "event", "status", "next_attempt_at", "tried")
    tell_all([{**_delivery(row), "tried": len(row.attempts)} for row in rows], columns, as_json=as_json)


@app.command()
def show(delivery_id: DeliveryId, *, as_json: AsJson = False) -> None:
    """Show one delivery with its attempts: when, with what answer, how long it took, and how it began."""
    from polling_api.commands.reach import look
    from polling_api.store import webhook_deliveries

    row = look(lambda engine: webhook_deliveries.find(engine, None, delivery_id))
    delivery, attempts = _delivery(row), _attempts(row)
    if as_json:
        tell({**delivery, "attempts": attempts}, as_json=True)
        return
    tell(delivery, as_json=False)
    typer.echo("")
    # What a receiver answered is no text of ours: nothing in it may act on the terminal.
    shown = [{**one, "body": one["body"] and one["body"].encode("unicode_escape").decode()} for one in attempts]
    tell_all(shown, ("at", "status_code", "duration_ms", "error", "body"), as_json=False)


@app.command(name="test")
def send_test(endpoint_id: Annotated[str, typer.Argument(help="As `whe_…`.")], *, as_json: AsJson = False) -> None:
    """Have an endpoint told something that is of no job."""
    from polling_api.commands.reach import done, look
    from polling_api.domain.webhook import new_delivery_id
    from polling_api.store import webhook_replays

    entry = done("webhook_endpoint.test")
    told = look(lambda engine: webhook_replays.test(engine, None, endpoint_id, new_delivery_id(), entry=entry))
    tell(_delivery(told), as_json=as_json)


@app.command()
def replay(
    delivery_id: Annotated[str | None, typer.Argument(help="As `whd_…`; or say which dead letters.")] = None,
    *,
    client: OfClient = None,
    endpoint: OfEndpoint = None,
    job: OfJob = None,
    since: Annotated[str | None, typer.Option(help="Dead letters made in the last: 90s, 30m, 24h, 7d.")] = None,
    until: Annotated[str | None, typer.Option(help="Dead letters made before the last: 90s, 30m, 24h, 7d.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All dead letters of everybody.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send one delivery again, or dead letters: of a client, an endpoint or a job, of some time, or all."""
    ranged = any(given is not None for given in (client, endpoint, job, since, until)) or everything
    if (delivery_id is None) != ranged:
        fail(
            "Say either which delivery, or which dead letters: --client, --endpoint, --job, --since, --until, or --all."
        )
    if delivery_id is not None:
        _replay_one(delivery_id, as_json=as_json)
    else:
        _replay_dead(client, endpoint, job, (_ago("since", since), _ago("until", until)), as_json=as_json)


def _replay_one(delivery_id: str, *, as_json: bool) -> None:
    from polling_api.commands.reach import done, look
    from polling_api.store import webhook_replays

    entry = done("webhook_delivery.replay")
    tell(
        _delivery(look(lambda engine: webhook_replays.replay(engine, None, delivery_id, entry=entry))), as_json=as_json
    )


def _ago(option: str, text: str | None) -> datetime | None:
    """The moment that lies a period of time back; what is none ends the command."""
    from polling_api.commands.audit import period

    if text is None:
        return None
    try:
        return datetime.now(UTC) - timedelta(seconds=period(text))
    except ValueError as error:
        fail(f"--{option}: {error}")
    except OverflowError:
        fail(f"--{option}: so long ago there was nothing.")


def _replay_dead(
    client: str | None,
    endpoint: str | None,
    job: str | None,
    between: tuple[datetime | None, datetime | None],
    *,
    as_json: bool,
) -> None:
    from polling_api.commands.reach import done, look
    from polling_api.store import webhook_replays
    from polling_api.store.webhook_deliveries import Asked

    after, earlier = between
    asked = Asked(client_id=client, endpoint_id=endpoint, job_id=job)

    async def work(engine: "Engine") -> int:
        count, more = 0, True
        while more:
            entry = done("webhook_delivery.replay", client)
            some = await webhook_replays.replay_dead(
                engine, asked, created_after=after, created_before=earlier, entry=entry
            )
            # Of what others have in hand nothing is sent again, and asking on for it would have no end.
            count, more = count + some.count, some.more and some.count > 0
        return count

    tell({"replayed": look(work)}, as_json=as_json)


def _endpoint(row: "EndpointRow") -> dict[str, Any]:
    from polling_api.representation import timestamp

    return {
        "id": row.id,
        "client_id": row.client_id,
        "url": row.url,
        "events": ",".join(row.events),
        "status": row.status.value,
        "disabled_because": row.disabled_because and row.disabled_because.value,
        "created_at": timestamp(row.created_at),
        "failing_since": timestamp(row.failing_since),
    }


def _delivery(row: "DeliveryRow") -> dict[str, Any]:
    from polling_api.representation import timestamp

    return {
        "id": row.id,
        "client_id": row.client_id,
        "endpoint_id": row.endpoint_id,
        "job_id": row.job_id,
        "version": row.version,
        "event": row.event,
        "status": row.status.value,
        "created_at": timestamp(row.created_at),
        "next_attempt_at": timestamp(row.next_attempt_at),
    }


def _attempts(row: "DeliveryRow") -> Sequence[dict[str, Any]]:
    from polling_api.representation import timestamp

    return [
        {
            "at": timestamp(attempt.at),
            "status_code": attempt.status_code,
            "duration_ms": attempt.duration_ms,
            "error": attempt.error,
            "body": attempt.body,
        }
        for attempt in row.attempts
    ]
